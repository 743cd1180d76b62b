"""Settings: every one from the environment, validated and immutable. Only entry points read them."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, TypeVar
from urllib.parse import quote

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from clients import redis
from core.errors import PolicyError, PricewaxError, SettingsError
from forecast_settings import ForecastSettings
from lake_settings import LakeSettings
from market import policy as market_policy
from market.policy import MarketPolicy
from pricing.policy import PricingPolicy, default_policy, parse_policy
from setting_values import (
    HEADER,
    KEY,
    LEVELS,
    ON_OFF,
    ORACLE_DSN,
    ROOT_PATH,
    SCHEMA,
    SLOT,
    TABLE,
    TOPIC_TAKES,
    WEBHOOK_SECRET,
    Topic,
    check_address,
    check_addresses,
    check_cdc_url,
    check_history_url,
    check_redis_url,
    matching,
    parse_options,
    secret_matching,
    tidy,
    word,
)

EXIT_BAD_SETTING = 2
"""Exit code of a process with a setting that is not usable, or of a flow that must not start as it is."""


Loaded = TypeVar("Loaded")

COMPACTED = {"cleanup.policy": "compact", "delete.retention.ms": str(30 * 24 * 3600 * 1000)}
"""A topic that keeps the newest message of each key. A removal stays readable for a month, for a flow that is away
for that long."""

KEPT = {"retention.ms": "-1"}
"""A topic without a time limit: rows wait in it until the database is back."""


class Settings(ForecastSettings, LakeSettings):
    """The environment's settings. A field's description lists the values that its variable takes. Errors quote
    it."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    @model_validator(mode="before")
    @classmethod
    def _tidy_all(cls, values: dict[str, Any]) -> dict[str, Any]:
        tidied = {}
        for name, value in values.items():
            try:
                tidied[name] = tidy(name, value)
            except ValueError as error:
                raise SettingsError(f"{name.upper()} takes {_takes(name)}; {error}") from None
        return {name: value for name, value in tidied.items() if value is not None}

    kafka_brokers: Annotated[str, AfterValidator(check_addresses)] = Field(
        "localhost:9092", description="host:port, or several separated by commas"
    )
    kafka_options: Annotated[dict[str, SecretStr], NoDecode, BeforeValidator(parse_options)] = Field(
        default_factory=dict,
        description="further librdkafka options as name=value;name=value, for TLS and SASL; a value with a"
        " semicolon in single quotes",
    )
    redis_addr: Annotated[str, AfterValidator(check_address)] = Field("localhost:6379", description="host:port")
    redis_password: SecretStr | None = Field(None, description="the password of Redis, beside REDIS_ADDR")
    redis_url: Annotated[SecretStr | None, AfterValidator(check_redis_url)] = Field(
        None,
        description="redis://user:password@host:port/db, rediss:// over TLS, or"
        " redis+sentinel://user:password@host:port,host:port/service/db; it takes the place of REDIS_ADDR",
    )
    product_events_topic: Topic = Field("product-events", description=TOPIC_TAKES)
    product_catalogue_topic: Topic = Field("product-catalogue", description=TOPIC_TAKES)
    price_overrides_topic: Topic = Field("price-overrides", description=TOPIC_TAKES)
    price_freezes_topic: Topic = Field("price-freezes", description=TOPIC_TAKES)
    web_clicks_topic: Topic = Field("web_clicks", description=TOPIC_TAKES)
    competitor_prices_topic: Topic = Field("competitor_prices", description=TOPIC_TAKES)
    purchases_topic: Topic = Field("purchases", description=TOPIC_TAKES)
    restocks_topic: Topic = Field("restocks", description=TOPIC_TAKES)
    external_events_topic: Topic = Field("external-events", description=TOPIC_TAKES)
    orders_topic: Topic = Field("orders", description=TOPIC_TAKES)
    sales_topic: Topic = Field("sales", description=TOPIC_TAKES)
    sales_backlog_topic: Topic = Field("sales-backlog", description=TOPIC_TAKES)
    sales_timeline_days: int = Field(
        7,
        ge=1,
        le=3650,
        description="days for which prices are kept for orders that come late, a whole number from 1 to 3650",
    )
    product_corrections_topic: Topic = Field("product-corrections", description=TOPIC_TAKES)
    price_updates_topic: Topic = Field("price-updates", description=TOPIC_TAKES)
    dead_letters_topic: Topic = Field("dead-letters", description=TOPIC_TAKES)
    history_backlog_topic: Topic = Field("history-backlog", description=TOPIC_TAKES)
    price_ticks_topic: Topic = Field("price_ticks", description=TOPIC_TAKES)
    stock_prices_topic: Topic = Field("stock_prices", description=TOPIC_TAKES)
    market_rules_topic: Topic = Field("market-rules", description=TOPIC_TAKES)
    ticks_enriched_topic: Topic = Field("ticks-enriched", description=TOPIC_TAKES)
    price_bars_topic: Topic = Field("price-bars", description=TOPIC_TAKES)
    market_alerts_topic: Topic = Field("market-alerts", description=TOPIC_TAKES)
    webhook_deliveries_topic: Topic = Field("webhook-deliveries", description=TOPIC_TAKES)
    market_backlog_topic: Topic = Field("market-backlog", description=TOPIC_TAKES)
    api_host: str = Field("127.0.0.1", description="the address the API listens on")
    api_port: int = Field(8080, ge=1, le=65535, description="a port from 1 to 65535")
    admin_api_key: Annotated[SecretStr | None, secret_matching(KEY)] = Field(
        None, description="1 to 256 printable ASCII characters without spaces"
    )
    admin_api_key_previous: Annotated[SecretStr | None, secret_matching(KEY)] = Field(
        None, description="a second key that is taken as well, while clients move to a new one"
    )
    api_key_header: Annotated[str, matching(HEADER)] = Field("X-API-Key", description="the name of an HTTP header")
    root_path: Annotated[str, matching(ROOT_PATH)] | None = Field(
        None,
        description="the path prefix under which a proxy serves the API, such as /pricing, no slash at its end",
    )
    history_url: Annotated[SecretStr | None, AfterValidator(check_history_url)] = Field(
        None,
        description="postgresql://user:password@host:port/database or oracle://user:password@host:port/service",
    )
    history_schema: Annotated[str | None, matching(SCHEMA)] = Field(
        None, description="the name of a schema: letters, digits and underscores"
    )
    oracle_dsn: Annotated[SecretStr | None, secret_matching(ORACLE_DSN)] = Field(
        None, description="user/password@host:port/service"
    )
    cdc_url: Annotated[SecretStr | None, AfterValidator(check_cdc_url)] = Field(
        None, description="postgresql://user:password@host:port/database: the database with the tables"
    )
    cdc_publication: Annotated[str, matching(SCHEMA)] = Field(
        "pricewax", description="the name of a publication: letters, digits and underscores"
    )
    cdc_slot: Annotated[str, matching(SLOT)] = Field(
        "pricewax", description="the name of a replication slot: small letters, digits and underscores"
    )
    cdc_inventory_table: Annotated[str, matching(TABLE)] = Field(
        "public.product_inventory", description="the name of a table, such as public.product_inventory"
    )
    cdc_orders_table: Annotated[str, matching(TABLE)] = Field(
        "public.orders", description="the name of a table, such as public.orders"
    )
    policy: Path | None = Field(None, description="the path of a TOML file with a pricing policy")
    market_policy: Path | None = Field(
        None, description="the path of a TOML file with the numbers of the market's detectors"
    )
    market_lateness_s: int = Field(
        60,
        ge=0,
        le=3600,
        description="how many seconds a tick may be older than the newest one of its symbol,"
        " a whole number from 0 to 3600",
    )
    market_history: int = Field(
        100,
        ge=1,
        le=10_000,
        description="the number of ticks of a symbol that Redis keeps, a whole number from 1 to 10000",
    )
    market_symbols_max: int = Field(
        100_000, ge=1, description="the number of symbols that a process of the market's flow may hold, 1 or more"
    )
    market_retention_days: int = Field(
        0,
        ge=0,
        le=36_500,
        description="days until a tick leaves the history database, a whole number from 0 (never) to 36500",
    )
    webhook_secret: Annotated[SecretStr | None, secret_matching(WEBHOOK_SECRET)] = Field(
        None, description="whsec_ and 24 to 64 random bytes in base64: the key that signs webhooks"
    )
    webhook_private: Annotated[Literal["on", "off"], word(ON_OFF)] = Field(
        "off", description="on, to allow webhooks to loopback, private and link-local addresses, or off"
    )
    shards: int = Field(64, ge=1, le=4096, description="a whole number from 1 to 4096, fixed at deployment")
    future_max_s: int = Field(
        300,
        ge=0,
        le=86_400,
        description="how many seconds an event may be ahead of Kafka's time stamp, a whole number from 0 to 86400",
    )
    products_max: int = Field(
        5_000_000, ge=1, description="the number of products that a process of the flow may hold, 1 or more"
    )
    product_ttl_days: int = Field(
        400,
        ge=0,
        le=36_500,
        description="days without a signal until a product is forgotten, a whole number from 0 (never) to 36500",
    )
    state_log: Annotated[Literal["on", "off"], word(ON_OFF)] = Field(
        "on", description="on, or off where the flow's processes share no recovery folder"
    )
    start_over: Literal["yes", "no"] = Field(
        "no", description="yes, to accept that a flow without state starts over, or no"
    )
    metrics_port: int = Field(
        9464, ge=0, le=65535, description="the flow's port for Prometheus, 0 to 65535 (0: any free port)"
    )
    metrics_host: str = Field("127.0.0.1", description="the address the flow's metrics listen on")
    flow_metrics: Annotated[str, AfterValidator(check_addresses)] = Field(
        "localhost:9464", description="host:port of the flow's metrics, or several separated by commas"
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], word(LEVELS)] = Field(
        "info", description="debug, info, warning or error"
    )
    log_format: Annotated[Literal["console", "json"], word({})] = Field("console", description="console or json")

    @property
    def history_dsn(self) -> str | None:
        """The URL of the history database: `HISTORY_URL` or, if that is not set, one made from `ORACLE_DSN`. None
        if neither is set."""
        if self.history_url is not None:
            return self.history_url.get_secret_value()
        if self.oracle_dsn is not None:
            credentials, _, address = self.oracle_dsn.get_secret_value().rpartition("@")
            user, _, password = credentials.partition("/")
            return f"oracle://{quote(user, safe='')}:{quote(password, safe='')}@{address}"
        return None

    @property
    def kafka_client_options(self) -> dict[str, str]:
        """The options of `KAFKA_OPTIONS`, with secrets in plain text."""
        return {name: value.get_secret_value() for name, value in self.kafka_options.items()}

    @property
    def admin_keys(self) -> list[str]:
        """The keys that the API accepts, in plain text. Empty if none is set."""
        keys = (self.admin_api_key, self.admin_api_key_previous)
        return [key.get_secret_value() for key in keys if key is not None]

    @property
    def redis(self) -> redis.RedisEndpoint:
        """The Redis of `REDIS_URL` or, if that is not set, of `REDIS_ADDR` and `REDIS_PASSWORD`."""
        if self.redis_url is not None:
            return redis.parse_url(self.redis_url.get_secret_value())
        password = None if self.redis_password is None else self.redis_password.get_secret_value()
        return redis.parse_address(self.redis_addr, password)

    @property
    def topics(self) -> dict[str, dict[str, str]]:
        """Every topic of the pricing flow, with the configuration with which it is created if it is missing."""
        return {
            self.product_events_topic: {},
            self.product_catalogue_topic: COMPACTED,
            self.web_clicks_topic: {},
            self.competitor_prices_topic: {},
            self.purchases_topic: {},
            self.restocks_topic: {},
            self.demand_forecasts_topic: {},
            self.supply_topic: {},
            self.external_events_topic: {},
            self.price_overrides_topic: COMPACTED,
            self.price_freezes_topic: COMPACTED,
            self.product_corrections_topic: {},
            self.price_updates_topic: {},
            self.dead_letters_topic: {},
            self.history_backlog_topic: KEPT,
        }

    @property
    def market_topics(self) -> dict[str, dict[str, str]]:
        """Every topic of the market's flow, as `topics`."""
        return {
            self.price_ticks_topic: {},
            self.stock_prices_topic: {},
            self.market_rules_topic: COMPACTED,
            self.ticks_enriched_topic: {},
            self.price_bars_topic: {},
            self.market_alerts_topic: {},
            self.webhook_deliveries_topic: COMPACTED,
            self.dead_letters_topic: {},
            self.market_backlog_topic: KEPT,
        }

    @property
    def cdc_topics(self) -> dict[str, dict[str, str]]:
        """Every topic of the flow of tables, as `topics`."""
        return {self.product_catalogue_topic: COMPACTED, self.orders_topic: {}}

    @property
    def sales_topics(self) -> dict[str, dict[str, str]]:
        """Every topic of the flow of sales, as `topics`."""
        return {
            self.orders_topic: {},
            self.price_updates_topic: {},
            self.product_catalogue_topic: COMPACTED,
            self.sales_topic: {},
            self.dead_letters_topic: {},
            self.sales_backlog_topic: KEPT,
        }

    @property
    def forecasting_topics(self) -> dict[str, dict[str, str]]:
        """Every topic of the flow of forecasts, as `topics`."""
        return {
            self.product_events_topic: {},
            self.demand_events_topic: {},
            self.supply_topic: {},
            self.product_catalogue_topic: COMPACTED,
            self.demand_forecasts_topic: {},
            self.pricing_decisions_topic: {},
            self.dead_letters_topic: {},
            self.forecast_backlog_topic: KEPT,
        }

    @property
    def lake_topics(self) -> dict[str, dict[str, str]]:
        """Every topic of the flow of the lake, as `topics`."""
        return {self.price_updates_topic: {}, self.dead_letters_topic: {}}

    def load_lake_catalog(self) -> str:
        """The address of the lake's catalogue. Raises SettingsError if it is not set, or if a catalogue in SQL has
        no warehouse."""
        if self.lake_catalog is None:
            raise SettingsError(f"LAKE_CATALOG takes {_takes('lake_catalog')}; it is not set")
        address = self.lake_catalog.get_secret_value()
        if self.lake_warehouse is None and not address.startswith("http"):
            raise SettingsError(f"LAKE_WAREHOUSE takes {_takes('lake_warehouse')}; it is not set")
        return address

    def load_cdc_url(self) -> str:
        """The URL of the database with the tables. Raises SettingsError if it is not set."""
        if self.cdc_url is None:
            raise SettingsError(f"CDC_URL takes {_takes('cdc_url')}; it is not set")
        return self.cdc_url.get_secret_value()

    def load_policy(self) -> PricingPolicy:
        """The policy of the file `POLICY`, or the default policy. Raises SettingsError if the file is not
        usable."""
        return default_policy() if self.policy is None else _load("POLICY", self.policy, parse_policy)

    def load_market_policy(self) -> MarketPolicy:
        """The policy of the file `MARKET_POLICY`, or the default one. Raises SettingsError if the file is not
        usable."""
        if self.market_policy is None:
            return MarketPolicy()
        return _load("MARKET_POLICY", self.market_policy, market_policy.parse_policy)

    def masked(self) -> dict[str, Any]:
        """The settings in force, for the log. Secrets and passwords are replaced by stars."""
        return self.model_dump(mode="json")


def _load(name: str, path: Path, parse: Callable[[str], Loaded]) -> Loaded:
    """The policy of a file. name: of its variable. Raises SettingsError."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name} takes the path of a readable TOML file: {error}") from None
    except PolicyError as error:
        raise SettingsError(f"{name}: {path}: {error}") from None


def load_settings() -> Settings:
    """Settings from the environment. Raises SettingsError for the first variable that is not usable."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:
            # `_tidy_all` has written the whole line.
            raise SettingsError(str(first["ctx"]["error"])) from None
        name = str(first["loc"][0])
        # The text of our own checks. It holds no part of the value.
        reason = str(first.get("ctx", {}).get("error", ""))
        raise SettingsError(f"{name.upper()} takes {_takes(name)}{reason and f'; {reason}'}") from None


def _takes(name: str) -> str:
    return Settings.model_fields[name].description or ""


def exit_bad_setting(error: PricewaxError) -> NoReturn:
    """End the process with code `EXIT_BAD_SETTING`, and print the error on one line of standard error."""
    print(f"pricewax: {error}", file=sys.stderr, flush=True)
    raise SystemExit(EXIT_BAD_SETTING)
