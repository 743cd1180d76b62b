"""Alerts: conditions under which prices may be wrong or stand still although every service answers.

A process raises an alert while its condition holds (`telemetry.set_alert`). `GET /status`, the dashboard and the
metric `pricewax_alert` show the alerts of all processes."""

import msgspec


class AlertKind(msgspec.Struct, frozen=True):
    """A kind of alert. text: a sentence for people, with `{subject}` for the topic, store or group concerned.

    stands_still: while it holds, some prices do not change. `/status` then shows the flow as `degraded`."""

    text: str
    stands_still: bool = False


ALERTS: dict[str, AlertKind] = {
    "flow_policies_differ": AlertKind(
        "Processes of the flow have different pricing policies, so equal products may get different prices. Start"
        " all of them again with the same POLICY."
    ),
    "api_policy_differs": AlertKind(
        "The API has another pricing policy than the flow. Prices, previews and the system page follow the flow's."
        " Start the API again with the flow's POLICY."
    ),
    "api_currency_differs": AlertKind(
        "The API's pricing policy has another currency than the flow's. Amounts are in the flow's currency."
    ),
    "history_unusable": AlertKind(
        "History is not written: {subject}. Rows wait in the backlog; docs/operations.md says what to do"
        " (History in a database with other tables)."
    ),
    "redis_evicts": AlertKind(
        "Redis may drop prices when its memory is full (maxmemory-policy {subject}). Set noeviction and give it"
        " room; until then dropped prices are written again when they are asked for."
    ),
    "redis_not_watched": AlertKind(
        "A Redis that loses prices is not refilled: its user may not read or write the keys {subject}."
    ),
    "message_dropped": AlertKind(
        "a message for {subject} was dropped: the topic takes only smaller ones (max.message.bytes)"
    ),
    "products_near_limit": AlertKind(
        "A process of the flow holds nine tenths of the products that it may (PRODUCTS_MAX = {subject})."
    ),
    "products_at_limit": AlertKind(
        "A process of the flow holds as many products as it may (PRODUCTS_MAX = {subject}). Messages of other"
        " products become dead letters (too_many_products)."
    ),
    "forecasts_near_limit": AlertKind(
        "The flow of forecasts holds nine tenths of the products that it may (PRODUCTS_MAX = {subject})."
    ),
    "forecasts_at_limit": AlertKind(
        "The flow of forecasts holds as many products as it may (PRODUCTS_MAX = {subject}). Other products get no"
        " forecast."
    ),
    "symbols_near_limit": AlertKind(
        "A process of the market's flow holds nine tenths of the symbols that it may (MARKET_SYMBOLS_MAX ="
        " {subject})."
    ),
    "symbols_at_limit": AlertKind(
        "A process of the market's flow holds as many symbols as it may (MARKET_SYMBOLS_MAX = {subject}). Ticks of"
        " other symbols become dead letters (too_many_symbols)."
    ),
    "forecast_model_unusable": AlertKind(
        "A model of forecasts cannot be used: {subject}. Its products get simpler forecasts. Roll back, or register"
        " the model again (docs/forecasts.md)."
    ),
    "lake_not_written": AlertKind(
        "Price updates are not written to the lake: its catalogue or its store does not answer, or refuses. They"
        " wait in Kafka, and are written when it is back."
    ),
    "tables_not_read": AlertKind(
        "The tables of the catalogue and the orders are not read: Postgres does not answer, or refuses. It is tried"
        " again; nothing is lost.",
        True,
    ),
    "topic_missing": AlertKind(
        "The topic {subject} does not exist. Make it again, or start the flow again, which makes it.", True
    ),
    "topic_forbidden": AlertKind("Kafka does not let this system use the topic {subject}.", True),
    "topic_unreadable": AlertKind("Kafka gives no messages of the topic {subject}; the log has the reason.", True),
    "partitions_added": AlertKind(
        "The topic {subject} has new partitions, which are not read. Start the flow again, which reads them from"
        " their beginning.",
        True,
    ),
    "topic_remade": AlertKind(
        "The topic {subject} was deleted and made again. It is read from its beginning; unread messages of the old"
        " topic are lost. Ends with the next start."
    ),
    "topic_not_compacted": AlertKind(
        "The topic {subject} is not compacted: Kafka deletes what it holds by age or size, and a flow that starts"
        " over then misses it."
    ),
    "redis_not_newer": AlertKind(
        "Redis refuses prices: it has newer versions of some products than the flow. Their prices stand still.",
        stands_still=True,
    ),
    "updates_not_newer": AlertKind(
        "Updates of some products have lower versions than those before. Their prices stand still on WebSockets and"
        " on the board.",
        stands_still=True,
    ),
    "history_repeats": AlertKind(
        "The history database refuses rows of sink partition {subject}: it has rows of the same positions."
    ),
}
"""Code to kind. Codes are bounded: they are labels of a metric."""


def describe_alert(code: str, subject: str) -> str:
    """The sentence of an alert. An unknown code, of a newer process, is shown as it is."""
    kind = ALERTS.get(code)
    return kind.text.format(subject=subject) if kind else f"{code}: {subject}"
