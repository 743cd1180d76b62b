"""Reasons of Kafka: why a client cannot connect, sign in or read, for the log."""

from collections.abc import Callable, Mapping

from confluent_kafka import KafkaError

import telemetry
from clients.throttle import Throttle

SAY_AGAIN_S = 60.0
"""Time after which the same kind of reason is logged again."""

_STARS = "**********"
_SECRET_OPTIONS = ("password", "secret", "token", "jaas", "ssl.key.pem", "config")
# A consequence that names no cause, and a connection that was idle and is opened again when it is needed.
_NO_REASON = (KafkaError._ALL_BROKERS_DOWN,)
_WAS_UP = "in state UP"

log = telemetry.get_logger("kafka")


class Reasons:
    """The `error_cb` of one client: logs each kind of error at once, then every SAY_AGAIN_S seconds.

    client: the options of the client; the values of its secret options never stand in a reason. name: of the
    client's part in the log; empty if the caller logs the reasons. then: called with each error. Belongs to the
    thread that polls the client."""

    def __init__(
        self, client: Mapping[str, object], name: str = "", then: Callable[[KafkaError], None] | None = None
    ) -> None:
        self._secrets = [
            str(value)
            for option, value in client.items()
            if value and any(word in option for word in _SECRET_OPTIONS)
        ]
        self._name = name
        self._then = then
        self._said: dict[int, Throttle] = {}
        self.last = ""
        """The last reason; empty if there was none."""

    def __call__(self, error: KafkaError) -> None:
        """Take an error of the client."""
        if error.code() not in _NO_REASON and _WAS_UP not in error.str():
            self.last = self.text(error)
            if self._name and self._said.setdefault(error.code(), Throttle(SAY_AGAIN_S)).is_due():
                log.warning("Kafka cannot be used", client=self._name, reason=self.last)
        if self._then is not None:
            self._then(error)

    def text(self, error: KafkaError) -> str:
        """The error as one line without secrets: its name, and what librdkafka or the broker says."""
        said = " ".join(error.str().split())
        for secret in self._secrets:
            said = said.replace(secret, _STARS)
        return f"{error.name()}: {said}"[:500]
