"""What the routes use: made once at the start, closed at the end, found on `app.state`."""

import threading
from functools import partial

import msgspec
from fastapi import Request
from starlette.websockets import WebSocket

from api.hub import Hub
from api.operations.flow_metrics import FlowMetrics
from api.pricing.board import Board
from api.pricing.commands import Commands
from api.pricing.price_cache import PriceCache
from api.pricing.recent_changes import RecentChanges
from api.relay import Relay
from connectors.dead_letters import DeadLetterTopic
from connectors.topics import client_options
from pricing.policy import PricingPolicy
from settings import Settings
from sinks import redis_names
from sinks.history import prepare_schema
from sinks.history_store import HistoryReader, open_reader, open_writer
from sinks.redis_reader import PriceReader
from sinks.redis_tracking import KeyTracker


class Services(msgspec.Struct, frozen=True):
    prices: PriceReader
    price_cache: PriceCache
    price_keys: KeyTracker
    history: HistoryReader | None
    commands: Commands
    overrides_topic: str
    freezes_topic: str
    recent: RecentChanges
    relay: Relay
    hub: Hub
    board: Board
    dead_letters: DeadLetterTopic
    flow_metrics: FlowMetrics
    policy: PricingPolicy
    history_url: str | None
    stop: threading.Event

    def start(self) -> None:
        """Nothing here waits for a server: the API comes up while all of them are away."""
        if self.history_url is not None:
            prepare_schema(partial(open_writer, self.history_url), self.stop)
        self.price_keys.start()
        self.commands.start()
        self.relay.start(self.hub, self.board)

    async def close(self) -> None:
        self.stop.set()
        self.relay.stop()
        self.commands.stop()
        await self.board.close()
        await self.price_keys.close()
        await self.prices.close()
        if self.history is not None:
            await self.history.close()


def make_services(settings: Settings, policy: PricingPolicy) -> Services:
    client = client_options(settings.kafka_brokers, settings.kafka_client_options)
    url = settings.history_dsn
    password = settings.redis_password_text
    board = Board()
    cache = PriceCache(board)
    return Services(
        prices=PriceReader(settings.redis_addr, password),
        price_cache=cache,
        price_keys=KeyTracker(
            settings.redis_addr, password, redis_names.price_key(""), cache.start, cache.change, cache.end
        ),
        history=open_reader(url) if url else None,
        commands=Commands(client),
        overrides_topic=settings.price_overrides_topic,
        freezes_topic=settings.price_freezes_topic,
        recent=RecentChanges(),
        relay=Relay(client, settings.price_updates_topic, settings.topics),
        hub=Hub(),
        board=board,
        dead_letters=DeadLetterTopic(client, settings.dead_letters_topic),
        flow_metrics=FlowMetrics(settings.flow_metrics.split(",")),
        policy=policy,
        history_url=url,
        stop=threading.Event(),
    )


def services_of(connection: Request | WebSocket) -> Services:
    services: Services = connection.app.state.services
    return services
