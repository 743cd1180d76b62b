"""The services of the API: everything that routes use. Made once at the start, closed at the end, kept in
`app.state.services`."""

import asyncio
import threading
from functools import partial

import msgspec
from fastapi import Request
from starlette.websockets import WebSocket

from api.commands.applied import AppliedCommands
from api.commands.producer import Commands
from api.commands.repairs import Repairs
from api.live.feed import LiveFeed
from api.live.frames import text_frame
from api.market.services import Market, make_market
from api.operations.flow_metrics import FlowMetrics
from api.operations.policy_in_force import PolicyInForce
from api.pricing.board import Board, SeenUpdate, SeenWithdrawal
from api.pricing.price_cache import PriceCache
from api.pricing.price_feed import encode_withdrawal, make_price_feed
from api.pricing.recent_changes import RecentChanges
from api.web.work import WorkPool
from clients.kafka import client_options
from pricing.policy import PricingPolicy
from settings import Settings
from sinks.dead_letters.reader import DeadLetterTopic
from sinks.history.databases import open_database, open_writer
from sinks.history.pricing import TABLES
from sinks.history.reader import HistoryReader
from sinks.history.sales_reader import SalesReader
from sinks.history.schema import prepare_schema
from sinks.redis.forecasting_reader import ForecastStore
from sinks.redis.pricing import FREEZES, override_key, price_key
from sinks.redis.reader import PriceReader, StoredPrice
from sinks.redis.tracking import KeyTracker


class Services(msgspec.Struct, frozen=True):
    """Connections and shared state. Used in the event loop's thread; some have threads of their own.

    letter_reads, letter_replays: the threads in which `dead_letters` is called. history: None if no history
    database is configured. applied_overrides: by product id.
    applied_freezes: one name, the empty text, for all."""

    prices: PriceReader
    forecasts: ForecastStore
    price_cache: PriceCache
    redis_keys: KeyTracker
    applied_overrides: AppliedCommands
    applied_freezes: AppliedCommands
    price_feed: LiveFeed
    board: Board
    repairs: Repairs[StoredPrice]
    history: HistoryReader | None
    sales: SalesReader | None
    history_url: str | None
    history_schema: str | None
    commands: Commands
    overrides_topic: str
    freezes_topic: str
    recent: RecentChanges
    dead_letters: DeadLetterTopic
    letter_reads: WorkPool
    letter_replays: WorkPool
    flow_metrics: FlowMetrics
    policy: PolicyInForce
    market: Market
    stop: threading.Event

    def start(self) -> None:
        """Start all services. It waits for no server, so that the API starts while they are down."""
        if self.history_url is not None:
            prepare_schema(partial(open_writer, self.history_url, TABLES, self.history_schema), self.stop)
        self.redis_keys.start()
        self.commands.start()
        self.price_feed.start(self._note_update)
        self.market.start()

    def _note_update(self, update: SeenUpdate | SeenWithdrawal) -> None:
        """Take an update of a price, decoded by the relay, in the event loop."""
        if isinstance(update, SeenUpdate):
            self.board.note(update)
        else:
            self.board.withdraw(update)
            frame = text_frame(encode_withdrawal(update.key, update.version))
            self.price_feed.hub.withdraw((update.key, update.version, frame))

    async def close(self) -> None:
        """End all threads and close all connections."""
        self.stop.set()
        self.price_feed.stop()
        self.commands.stop()
        await self.board.close()
        await self.redis_keys.close()
        await self.prices.close()
        await self.forecasts.close()
        await self.market.close()
        if self.history is not None:
            await self.history.close()


def make_services(settings: Settings, policy: PricingPolicy) -> Services:
    """The services that the settings describe, not started yet."""
    client = client_options(settings.kafka_brokers, settings.kafka_client_options)
    url = settings.history_dsn
    database = open_database(url, settings.history_schema) if url else None
    redis = settings.redis
    prices = PriceReader(redis)
    flow_metrics = FlowMetrics(settings.flow_metrics.split(","))
    board = Board()
    repairs = Repairs(prices, lambda product_id: board.get(product_id) is not None)
    cache = PriceCache(board)
    overrides, freezes = AppliedCommands(), AppliedCommands()
    reconnects: set[asyncio.Task[None]] = set()

    def reconnect() -> None:
        task = asyncio.ensure_future(prices.reconnect())
        reconnects.add(task)
        task.add_done_callback(reconnects.discard)

    return Services(
        prices=prices,
        forecasts=ForecastStore(redis),
        price_cache=cache,
        redis_keys=KeyTracker(
            redis,
            {
                price_key(""): cache.change,
                override_key(""): overrides.change,
                FREEZES: freezes.change,
            },
            on_start=cache.start,
            on_end=cache.end,
            on_demoted=reconnect,
        ),
        applied_overrides=overrides,
        applied_freezes=freezes,
        price_feed=make_price_feed(
            client, settings.price_updates_topic, settings.topics, prices=prices, board=board, repairs=repairs
        ),
        board=board,
        repairs=repairs,
        history=HistoryReader(database) if database else None,
        sales=SalesReader(database) if database else None,
        history_url=url,
        history_schema=settings.history_schema,
        commands=Commands(client),
        overrides_topic=settings.price_overrides_topic,
        freezes_topic=settings.price_freezes_topic,
        recent=RecentChanges(),
        dead_letters=DeadLetterTopic(client, settings.dead_letters_topic),
        letter_reads=WorkPool("letter-reads", threads=2, waiting_max=4, within_s=3.0),
        letter_replays=WorkPool("letter-replays", threads=2, waiting_max=4, within_s=9.0),
        flow_metrics=flow_metrics,
        policy=PolicyInForce(policy, flow_metrics),
        market=make_market(settings, client),
        stop=threading.Event(),
    )


def services_of(connection: Request | WebSocket) -> Services:
    """The services of the application that a request or WebSocket belongs to."""
    services: Services = connection.app.state.services
    return services
