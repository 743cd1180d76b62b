import subprocess
import sys
from pathlib import Path

import pytest

from clients.oracle import parse_url
from core.errors import PolicyError, SettingsError
from pricing.policy import default_policy, parse_policy
from settings import Settings, load_settings

ROOT = Path(__file__).parent.parent.parent


def test_defaults_are_those_of_the_contract() -> None:
    settings = load_settings()
    assert (settings.kafka_brokers, settings.redis_addr, settings.api_port) == (
        "localhost:9092",
        "localhost:6379",
        8080,
    )
    assert (settings.product_events_topic, settings.price_updates_topic) == ("product-events", "price-updates")
    assert (settings.api_key_header, settings.shards, settings.history_dsn) == ("X-API-Key", 64, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KAFKA_BROKERS", "localhost"),
        ("KAFKA_BROKERS", "localhost:99999"),
        ("REDIS_ADDR", "redis://localhost:6379"),
        ("API_PORT", "web"),
        ("API_PORT", "0"),
        ("API_PORT", "65536"),
        ("SHARDS", "0"),
        ("SHARDS", "many"),
        ("STATE_LOG", "maybe"),
        ("HISTORY_URL", "mysql://x"),
        ("HISTORY_URL", "oracle://nonsense"),
        ("HISTORY_URL", "postgresql://u:p@h:port/db"),
        ("KAFKA_OPTIONS", "bogus.option=1"),
        ("ORACLE_DSN", "nonsense"),
        ("PRODUCT_EVENTS_TOPIC", "a topic"),
        ("API_KEY_HEADER", "X Key"),
        ("ADMIN_API_KEY", "with space"),
        ("LOG_LEVEL", "loud"),
        ("KAFKA_OPTIONS", "no-equals"),
        ("KAFKA_BROKERS", " , "),
        ("FLOW_METRICS", "h:1,x"),
        ("STATE_LOG", "2"),
        ("LOG_FORMAT", "xml"),
        ("HISTORY_SCHEMA", "a b"),
        ("API_PORT", "tcp://10.96.0.7:8080"),
        ("MARKET_LATENESS_S", "-1"),
        ("MARKET_HISTORY", "0"),
        ("WEBHOOK_SECRET", "secret"),
        ("WEBHOOK_PRIVATE", "maybe"),
    ],
)
def test_a_bad_value_names_its_variable_and_what_it_takes(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    message = str(caught.value)
    assert message.startswith(f"{name} takes ")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "value", "means"),
    [
        ("KAFKA_BROKERS", "a:1, b:2 ,", "a:1,b:2"),
        ("FLOW_METRICS", " h:1 ,i:2\r\n", "h:1,i:2"),
        ("REDIS_ADDR", "'redis:6379'", "redis:6379"),
        ("API_PORT", '"9000"', 9000),
        ("API_PORT", " ", 8080),
        ("SHARDS", " 16\r", 16),
        ("PRODUCT_EVENTS_TOPIC", "events ", "events"),
        ("LOG_LEVEL", "WARN", "warning"),
        ("LOG_LEVEL", " Critical", "error"),
        ("LOG_FORMAT", "JSON", "json"),
        ("STATE_LOG", "Off", "off"),
        ("STATE_LOG", "true", "on"),
        ("POLICY", '""', None),
        ("API_KEY_HEADER", "X-Key ", "X-Key"),
        ("HISTORY_SCHEMA", " pricewax", "pricewax"),
    ],
)
def test_blanks_quotes_and_other_words_for_a_value_stop_no_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, means: object
) -> None:
    monkeypatch.setenv(name, value)
    assert getattr(load_settings(), name.lower()) == means


def test_a_secret_keeps_its_blanks_and_quotes_but_no_line_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_PASSWORD", " 'swordfish' \n")
    monkeypatch.setenv("ADMIN_API_KEY", '"key"\r\n')
    monkeypatch.setenv("HISTORY_URL", ' "postgres://u:p@h/d"\n')
    settings = load_settings()
    assert settings.redis.password == " 'swordfish' "
    assert settings.admin_keys == ['"key"']
    assert settings.history_dsn == "postgres://u:p@h/d"


def test_a_variable_that_kubernetes_sets_for_a_service_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METRICS_PORT", "tcp://10.96.0.7:9464")
    with pytest.raises(SettingsError, match=r"METRICS_PORT takes .*Kubernetes.*enableServiceLinks"):
        load_settings()


def test_the_connection_string_of_event_hubs_is_one_option(monkeypatch: pytest.MonkeyPatch) -> None:
    password = "Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=root;SharedAccessKey=k+/="
    for quoted in (f"'{password}'", f'"{password}"'):
        login = f"sasl.username=$ConnectionString;sasl.password={quoted}"
        monkeypatch.setenv("KAFKA_OPTIONS", f"security.protocol=SASL_SSL;sasl.mechanisms=PLAIN;{login}")
        assert load_settings().kafka_client_options["sasl.password"] == password


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HISTORY_URL", "postgresql://shop:tuna@fish@h/d"),
        ("HISTORY_URL", "postgresql://shop:tuna/fish@h/d"),
        ("REDIS_URL", "redis://shop:tuna@fish@h/0"),
        ("REDIS_URL", "redis://shop:1/tuna@fish"),
        ("KAFKA_OPTIONS", "sasl.password=tuna;fish"),
        ("ADMIN_API_KEY", "tuna fish"),
    ],
)
def test_a_refusal_shows_no_part_of_a_secret(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refusal:
        load_settings()
    assert "fish" not in str(refusal.value)
    assert "tuna" not in str(refusal.value)


def test_oracle_dsn_counts_only_without_history_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORACLE_DSN", "scott/tiger@db:1521/FREEPDB1")
    assert load_settings().history_dsn == "oracle://scott:tiger@db:1521/FREEPDB1"
    monkeypatch.setenv("ORACLE_DSN", "scott/p%41ss:@db:1521/X")
    parameters = parse_url(load_settings().history_dsn or "")
    assert parameters == {"user": "scott", "password": "p%41ss:", "dsn": "db:1521/X"}
    monkeypatch.setenv("HISTORY_URL", "postgresql://u:p@h:1/d")
    assert load_settings().history_dsn == "postgresql://u:p@h:1/d"


def test_secrets_are_masked_in_the_log_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HISTORY_URL", "postgresql://user:hunter2@h:1/d")
    monkeypatch.setenv("ADMIN_API_KEY", "topsecret")
    monkeypatch.setenv("KAFKA_OPTIONS", "sasl.password=swordfish")
    text = str(load_settings().masked())
    for secret in ("hunter2", "topsecret", "swordfish"):
        assert secret not in text
    assert "localhost:9092" in text


@pytest.mark.parametrize(
    ("command", "environment", "says"),
    [
        (["bytewax.run", "dataflows.pricing"], {"SHARDS": "x"}, "SHARDS takes"),
        (["bytewax.run", "dataflows.pricing"], {"POLICY": "/no/such.toml"}, "POLICY takes"),
        (["api"], {}, "ADMIN_API_KEY must be set"),
        (["api"], {"ADMIN_API_KEY": "k", "API_PORT": "web"}, "API_PORT takes"),
        (["tools.replay", "x.csv"], {"KAFKA_BROKERS": "?"}, "KAFKA_BROKERS takes"),
    ],
)
def test_an_entry_point_stops_with_one_line_and_code_2(
    command: list[str], environment: dict[str, str], says: str
) -> None:
    plain = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env={**plain, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert says in done.stderr


def test_the_example_has_every_setting_with_its_default() -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    example = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    of_other_programs = {"ORACLE_PASSWORD", "POSTGRES_PASSWORD", "RECOVERY_DIR", "RECOVERY_PARTITIONS"}
    assert example.keys() - of_other_programs == {name.upper() for name in Settings.model_fields}
    for name, field in Settings.model_fields.items():
        if name != "admin_api_key":
            default = field.get_default(call_default_factory=True)
            assert example[name.upper()] == ("" if default in (None, {}) else str(default)), name


def test_the_version_of_a_policy_is_its_content() -> None:
    explicit = parse_policy('currency = "GBP"\n[demand]\nfactor = 5\nweights = {purchase = 5, cart = 3, view = 1}')
    assert explicit.version == default_policy().version
    assert parse_policy("[demand]\nfactor = 4").version != default_policy().version


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("currency = 5", "currency"),
        ('currency = "pounds"', "currency"),
        ("[demand]\nfactor = -1", "demand.factor"),
        ("[demand]\nfactor = nan", "demand.factor"),
        ("[demand]\nhalf_life_s = 0", "demand.half_life_s"),
        ("[demand]\nweights = {view = 1}", "demand.weights"),
        ("[demand.weights]\nview = -1\ncart = 1\npurchase = 1", "demand.weights.view"),
        ("[guardrails]\nfloor = 0", "guardrails.floor"),
        ("[guardrails]\nfloor = 5\nceiling = 4", "guardrails.floor"),
        ("[guardrails]\nendings = [100]", "guardrails.endings"),
        ("[guardrails]\nflor = 1", "flor"),
        ("[guardrails]\ncooldown_s = inf", "guardrails.cooldown_s"),
        ("not toml", "TOML"),
    ],
)
def test_a_bad_policy_names_the_setting(text: str, names: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy(text)
    assert names in str(caught.value)
    assert "\n" not in str(caught.value)
