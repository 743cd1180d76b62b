"""The values of settings: the forms that variables take, and the checks that pydantic runs. A check raises
ValueError without any part of the value."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, SecretStr

from clients import kafka, oracle, postgres, redis

_ADDRESS = re.compile(r"[A-Za-z0-9_.-]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}", re.ASCII)
# Kafka takes 249. In positions, a topic that was made again has its id behind its name.
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,226}", re.ASCII)
HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}", re.ASCII)
ROOT_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+", re.ASCII)
KEY = re.compile(r"[\x21-\x7e]{1,256}")
ORACLE_DSN = re.compile(r"[^\s/]+/[^\s]+@[^\s@]+")


SLOT = re.compile(r"[a-z0-9_]{1,63}", re.ASCII)
_NAME_IN_SQL = r'(?:[A-Za-z_][A-Za-z0-9_$]{0,62}|"[^"\x00-\x1f]{1,63}")'
TABLE = re.compile(rf"{_NAME_IN_SQL}(?:\.{_NAME_IN_SQL})?", re.ASCII)
SCHEMA = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}", re.ASCII)
_LAKE_CATALOG = re.compile(r"(?:https?|postgres(?:ql)?)://[^\s]+|sqlite:///[^\s]+")
_LAKE_WAREHOUSE = re.compile(r"file:///[^\s]+|s3://[^\s/]+(?:/[^\s]*)?")
_SERVICE_LINK = re.compile(r"(tcp|udp|sctp)://[^/\s]+:\d+")
WEBHOOK_SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{32,88}={0,2}", re.ASCII)
_SECRETS_AS_GIVEN = ("admin_api_key", "admin_api_key_previous", "redis_password")
LEVELS = {"warn": "warning", "information": "info", "trace": "debug", "critical": "error", "fatal": "error"}
ON_OFF = {"true": "on", "yes": "on", "1": "on", "false": "off", "no": "off", "0": "off"}


def check_addresses(text: str) -> str:
    """Addresses separated by commas, without the blanks around them, and without empty ones."""
    addresses = [address for part in text.split(",") if (address := part.strip())]
    if not addresses or not all(map(_is_address, addresses)):
        raise ValueError
    return ",".join(addresses)


def tidy(name: str, value: Any) -> Any:
    """The value of a variable without the blanks, line ends and quotes around it: an env file of Docker keeps
    quotes, and a secret made from a file keeps its line end. Blanks and quotes may be part of a password, so only
    its line end is removed. None for a value that is then empty. Raises ValueError."""
    if not isinstance(value, str):
        return value
    if name in _SECRETS_AS_GIVEN:
        return value.rstrip("\r\n") or None
    text = value.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1].strip()
    if name.endswith("_port") and _SERVICE_LINK.fullmatch(text):
        raise ValueError(
            "Kubernetes sets this variable for a service of that name (tcp://address:port); set the variable in the"
            " pod, or enableServiceLinks: false"
        )
    return text or None


def word(words: dict[str, str]) -> BeforeValidator:
    """A reader of a word in any case, or of another word for it."""

    def read(text: Any) -> Any:
        word = text.lower() if isinstance(text, str) else text
        return words.get(word, word)

    return BeforeValidator(read)


def check_address(text: str) -> str:
    """An address, unchanged."""
    if not _is_address(text):
        raise ValueError
    return text


def _is_address(text: str) -> bool:
    return _ADDRESS.fullmatch(text) is not None and 0 < int(text.rsplit(":", 1)[1]) < 65536


def matching(pattern: re.Pattern[str]) -> AfterValidator:
    """A check that the whole text has a form."""

    def check(text: str | None) -> str | None:
        if text is not None and not pattern.fullmatch(text):
            raise ValueError
        return text

    return AfterValidator(check)


def secret_matching(pattern: re.Pattern[str]) -> AfterValidator:
    """As `matching`, for a secret."""

    def check(secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and not pattern.fullmatch(secret.get_secret_value()):
            raise ValueError
        return secret

    return AfterValidator(check)


def parse_options(text: Any) -> dict[str, str]:
    """Options of librdkafka from text. Raises ValueError if librdkafka does not accept them."""
    options = text if isinstance(text, dict) else kafka.parse_options(str(text))
    kafka.check_options(options)
    return options


def check_redis_url(secret: SecretStr | None) -> SecretStr | None:
    """The URL, unchanged. Raises ValueError if it cannot be read."""
    if secret is not None:
        redis.parse_url(secret.get_secret_value())
    return secret


def check_history_url(secret: SecretStr | None) -> SecretStr | None:
    """The URL, unchanged. Raises ValueError if the database's driver cannot read it."""
    if secret is not None:
        url = secret.get_secret_value()
        if url.startswith(oracle.SCHEME):
            oracle.parse_url(url)
        else:
            postgres.check_url(url)
    return secret


def parse_plain_options(text: Any) -> dict[str, str]:
    """Options from text, in the form of those of librdkafka. Raises ValueError for another form."""
    return text if isinstance(text, dict) else kafka.parse_options(str(text))


def check_lake_catalog(secret: SecretStr | None) -> SecretStr | None:
    """The address, unchanged. Raises ValueError if no catalogue has such an address."""
    if secret is not None and not _LAKE_CATALOG.fullmatch(secret.get_secret_value()):
        raise ValueError
    return secret


def check_lake_warehouse(text: str | None) -> str | None:
    """The address, unchanged. Raises ValueError if no files have such an address."""
    if text is not None and not _LAKE_WAREHOUSE.fullmatch(text):
        raise ValueError
    return text


def check_cdc_url(secret: SecretStr | None) -> SecretStr | None:
    """The URL, unchanged. Raises ValueError if libpq cannot read it."""
    if secret is not None:
        postgres.check_url(secret.get_secret_value())
    return secret


Topic = Annotated[str, matching(_TOPIC)]
TOPIC_TAKES = "a Kafka topic name of at most 226 letters, digits, dots, underscores, hyphens"
