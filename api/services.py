"""What the routes use: made once at the start, closed at the end, found on `app.state`."""

import threading
from functools import partial

import msgspec
from fastapi import Request
from starlette.websockets import WebSocket

from api.hub import Hub
from api.last_known import LastKnown
from api.override_topic import OverrideTopic
from api.recent_overrides import RecentOverrides
from api.relay import Relay
from connectors.topics import client_options
from settings import Settings
from sinks.history import prepare_schema
from sinks.history_store import HistoryReader, open_reader, open_writer
from sinks.redis_reader import PriceReader


class Services(msgspec.Struct, frozen=True):
    prices: PriceReader
    history: HistoryReader | None
    overrides: OverrideTopic
    recent_overrides: RecentOverrides
    relay: Relay
    hub: Hub
    last_known: LastKnown
    history_url: str | None
    stop: threading.Event

    def start(self) -> None:
        """Nothing here waits for a server: the API comes up while all of them are away."""
        if self.history_url is not None:
            prepare_schema(partial(open_writer, self.history_url), self.stop)
        self.overrides.start()
        self.relay.start(self.hub, self.last_known)

    async def close(self) -> None:
        self.stop.set()
        self.relay.stop()
        self.overrides.stop()
        await self.prices.close()
        if self.history is not None:
            await self.history.close()


def make_services(settings: Settings) -> Services:
    client = client_options(settings.kafka_brokers, settings.kafka_client_options)
    url = settings.history_dsn
    return Services(
        prices=PriceReader(settings.redis_addr, settings.redis_password_text),
        history=open_reader(url) if url else None,
        overrides=OverrideTopic(client, settings.price_overrides_topic),
        recent_overrides=RecentOverrides(),
        relay=Relay(client, settings.price_updates_topic, settings.topics),
        hub=Hub(),
        last_known=LastKnown(),
        history_url=url,
        stop=threading.Event(),
    )


def services_of(connection: Request | WebSocket) -> Services:
    services: Services = connection.app.state.services
    return services
