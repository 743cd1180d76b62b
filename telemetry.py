"""Logging, and all metrics of the flow and of the API."""

import logging
import os
import sys
import threading
from typing import Literal, NoReturn

import structlog
from prometheus_client import REGISTRY, Counter, Gauge, Histogram, start_http_server

from core.alerts import ALERTS, describe_alert

_LATENCY_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)

EVENTS = Counter("pricewax_events", "Messages read, by topic and outcome (ok, dead_letter)", ["topic", "outcome"])
CONSUMER_LAG = Gauge(
    "pricewax_consumer_lag_messages", "Messages not read yet; NaN while it is not known", ["topic", "partition"]
)
TOPICS_REMADE = Counter(
    "pricewax_topics_remade", "Partitions whose topic was found to be deleted and made again, by topic", ["topic"]
)
REROUTED = Counter("pricewax_rerouted_messages", "Messages whose key was not their product's")
DECISIONS = Counter("pricewax_decisions", "Price decisions, by source and cause", ["price_source", "cause"])
OVERSOLD = Counter("pricewax_oversold", "Times that a product's stock went below 0")
QUOTES_IGNORED = Counter(
    "pricewax_quotes_ignored", "Quotes of competitors that were our own price, or too far from it", ["reason"]
)
LATE_EVENTS = Counter("pricewax_late_events", "Events that came late, and counted for demand and version only")
DEAD_LETTERS = Counter("pricewax_dead_letters", "Messages that could not be used, by code", ["code"])
GUARDRAIL_ALERTS = Counter("pricewax_guardrail_alerts", "Prices held as a bound was unusable", ["reason"])
PRODUCTS = Gauge("pricewax_products", "Products in this process's state")
LATE_TICKS = Counter("pricewax_late_ticks", "Ticks that came late, and changed nothing")
ANOMALIES = Counter("pricewax_anomalies", "Unusual ticks, by detector", ["kind"])
MARKET_ALERTS = Counter("pricewax_market_alerts", "Alerts of rules and of silent symbols, by kind", ["kind"])
FORECAST_PRODUCTS = Gauge("pricewax_forecast_products", "Products in the state of the flow of forecasts")
SYMBOLS = Gauge("pricewax_symbols", "Symbols in this process's state")
SINK_WRITES = Counter("pricewax_sink_writes", "Rows or messages handed over and confirmed", ["sink"])
SINK_ERRORS = Counter("pricewax_sink_errors", "Failed attempts to write", ["sink"])
SINK_PENDING = Gauge("pricewax_sink_pending", "Rows waiting to be written", ["sink", "part"])
SINK_LATENCY = Histogram(
    "pricewax_sink_latency_seconds",
    "From the message's Kafka time stamp to its confirmed write",
    ["sink"],
    buckets=_LATENCY_BUCKETS_S,
)
EPOCH_CLOSE = Histogram(
    "pricewax_epoch_close_seconds",
    "How long a partition was not read at the end of an epoch: snapshots, their sync, the commit",
    buckets=_LATENCY_BUCKETS_S,
)
BREAKER_OPEN = Gauge("pricewax_breaker_open", "1 while a sink is known to be down", ["sink", "part"])
BACKLOG = Gauge("pricewax_history_backlog_messages", "Batches of rows waiting in the backlog topic", ["part"])
REFILLS = Counter("pricewax_redis_refills", "Times that Redis was refilled from the flow's state")
POLICY = Gauge(
    "pricewax_policy", "1 for the policy that this process decides by", ["version", "currency", "document"]
)
REPAIRS = Counter("pricewax_redis_repairs", "Products written to Redis again, as the API missed them there")
NOT_NEWER = Counter(
    "pricewax_not_newer", "Updates or rows that an output refused, as it has them or newer ones", ["output"]
)
SALES_CORRECTIONS = Counter("pricewax_sales_corrections", "Orders that were priced, priced again or removed")
FORECASTS = Counter("pricewax_forecasts", "Forecasts of products, by source", ["source"])
FORECASTS_REFUSED = Counter("pricewax_forecasts_refused", "Signals of products for which there was no room")
FORECAST_FAILURES = Counter("pricewax_forecast_failures", "Batches of products for which a model failed")
FORECASTS_WAITING = Gauge(
    "pricewax_forecasts_waiting", "Products that are due and not forecast yet, of one shard", ["shard"]
)
FORECAST_S = Histogram(
    "pricewax_forecast_seconds",
    "Time for the forecasts of one call, at most 256 products at a time",
    buckets=_LATENCY_BUCKETS_S,
)
FORECAST_MODEL = Gauge(
    "pricewax_forecast_model",
    "1 for each model in force that can be used, by stage; 0 if it cannot",
    ["version", "stage"],
)
LAKE_COMMITTED = Gauge(
    "pricewax_lake_committed_timestamp_seconds", "When the lake last had all rows that the flow had read by then"
)
LAKE_REWRITTEN = Counter("pricewax_lake_files_rewritten", "Small files of the lake that became part of large ones")
CDC_ROWS = Counter(
    "pricewax_cdc_rows",
    "Rows of tables that became messages, by table and change (read, insert, update, delete, removed)",
    ["table", "change"],
)
CDC_RECONNECTS = Counter("pricewax_cdc_reconnects", "Times that the connection to the tables' Postgres was lost")
CDC_LAG_BYTES = Gauge(
    "pricewax_cdc_lag_bytes", "Log that Postgres keeps for the slot; NaN while it is not known", []
)
CDC_LAG_S = Gauge("pricewax_cdc_lag_seconds", "Time since all changes of the tables that Postgres has were read")
ALERT = Gauge("pricewax_alert", "1 while an alert holds, by code and what it concerns", ["code", "subject"])

API_REQUESTS = Counter("pricewax_api_requests", "HTTP requests", ["method", "route", "status"])
API_LATENCY = Histogram("pricewax_api_request_seconds", "Time to answer", ["route"], buckets=_LATENCY_BUCKETS_S)
COMMANDS = Counter(
    "pricewax_commands",
    "Overrides, removals, freezes and lifts, by outcome (applied, accepted, not_confirmed, refused)",
    ["outcome"],
)
PRICE_CACHE_HITS = Counter("pricewax_price_cache_hits", "Prices answered from memory, as Redis told of no change")
WS_CLIENTS = Gauge("pricewax_ws_clients", "WebSocket clients connected")
WS_FRAMES = Counter("pricewax_ws_frames", "Frames handed to clients")
WS_CONFLATED = Counter("pricewax_ws_conflated", "Updates replaced by newer ones before a client took them")
WS_DROPPED = Counter("pricewax_ws_dropped_clients", "Clients dropped as they did not read")
RELAY_LATENCY = Histogram(
    "pricewax_relay_seconds",
    "From an update's Kafka time stamp to its reading by the relay, by the first of each read",
    buckets=_LATENCY_BUCKETS_S,
)
RELAY_UPDATES = Counter("pricewax_relay_updates", "Updates read by the relay, by outcome", ["outcome"])
WEBHOOK_DELIVERIES = Counter(
    "pricewax_webhook_deliveries",
    "Attempts to deliver an alert, by outcome; records that lead to none are unreadable or repeated",
    ["outcome"],
)
WEBHOOKS_PENDING = Gauge("pricewax_webhooks_pending", "Deliveries of alerts that this process is to make")
WEBHOOK_PARTITIONS_WAITING = Gauge(
    "pricewax_webhook_partitions_waiting", "Partitions with deliveries that wait in Kafka, as memory is full"
)

API_METRICS = (
    API_REQUESTS,
    API_LATENCY,
    COMMANDS,
    PRICE_CACHE_HITS,
    WS_CLIENTS,
    WS_FRAMES,
    WS_CONFLATED,
    WS_DROPPED,
    RELAY_LATENCY,
    RELAY_UPDATES,
    WEBHOOK_DELIVERIES,
    WEBHOOKS_PENDING,
    WEBHOOK_PARTITIONS_WAITING,
)
"""The metrics that the API sets."""

SHARED_METRICS = (ALERT, NOT_NEWER, TOPICS_REMADE)
"""The metrics that every process sets. All that are in neither tuple are the flow's."""


def export_only(process: Literal["flow", "api"]) -> None:
    """Export the metrics that this process sets, and no other: a zero would look like a measurement. Called once,
    at the start."""
    for metric in [each for each in globals().values() if isinstance(each, Counter | Gauge | Histogram)]:
        if metric not in SHARED_METRICS and (metric in API_METRICS) != (process == "api"):
            REGISTRY.unregister(metric)


def get_logger(name: str) -> "structlog.stdlib.BoundLogger":
    """A structured logger. name: the part of the program that logs."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger


def configure_logging(level: str, log_format: str) -> None:
    """Set up structured logs on standard error, one line for each event. log_format: `console` for people, `json`
    for machines. level: as in `LOG_LEVEL`."""
    renderer: structlog.typing.Processor
    if log_format == "json":
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), sort_keys=False)
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")


def serve_metrics(host: str, port: int) -> int:
    """Serve Prometheus metrics from a thread. Returns the port.

    If the port is in use (by another process on the machine), any free port is used, with a warning."""
    log = get_logger("telemetry")
    try:
        server, _ = start_http_server(port, host)
    except OSError:
        server, _ = start_http_server(0, host)
        log.warning("metrics port is taken, using another", wanted=port, port=server.server_port)
    return int(server.server_port)


_alerts: set[tuple[str, str]] = set()
_alerts_lock = threading.Lock()


def set_alert(code: str, subject: str = "", *, holds: bool) -> None:
    """Raise an alert of `core.alerts.ALERTS`, or clear it. Logs one line at each change. Any thread may call it.

    subject: the topic, store or group concerned. The number of subjects must be bounded."""
    assert code in ALERTS, code
    with _alerts_lock:
        if holds == ((code, subject) in _alerts):
            return
        (_alerts.add if holds else _alerts.discard)((code, subject))
        ALERT.labels(code, subject).set(holds)
    log, text = get_logger("alert"), describe_alert(code, subject)
    if holds:
        log.warning(text, code=code, subject=subject)
    else:
        log.info("an alert is over", code=code, subject=subject, alert=text)


def alerts_in_force() -> list[tuple[str, str]]:
    """Code and subject of this process's alerts, sorted."""
    with _alerts_lock:
        return sorted(_alerts)


def fatal(message: str, **details: object) -> NoReturn:
    """Log one line and end the process with code 1, without the traceback that an exception would print.

    It is as safe as a crash at any moment: work that is not committed is done again."""
    get_logger("fatal").error(message, **details)
    sys.stderr.flush()
    os._exit(1)
