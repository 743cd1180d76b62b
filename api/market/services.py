"""The services of the market's routes. A part of `api/services.py`."""

import msgspec

from api.commands.repairs import Repairs
from api.live.feed import LiveFeed
from api.market.deliveries import Deliveries, make_deliveries
from api.market.tick_feed import SYMBOLS, SeenTicks, SimpleFrames, make_tick_feed
from api.web.work import WorkPool
from clients.kafka import ClientOptions
from settings import Settings
from sinks.history.databases import open_database
from sinks.history.market_reader import MarketHistory
from sinks.kafka.market_reader import MarketTopics
from sinks.redis.market_reader import MarketReader, StoredTick


class Market(msgspec.Struct, frozen=True):
    """Connections and shared state of the market. Used in the event loop's thread.

    reads: the threads in which `topics` is called. feed: of `/ws/ticks`. simple: of `/market/ws`. history: None if
    no history database is configured. deliveries: None without a secret. private_webhooks: addresses that are not
    public are allowed."""

    reader: MarketReader
    history: MarketHistory | None
    topics: MarketTopics
    rules_topic: str
    reads: WorkPool
    feed: LiveFeed
    simple: LiveFeed
    seen: SeenTicks
    repairs: Repairs[StoredTick]
    deliveries: Deliveries | None
    private_webhooks: bool

    @property
    def sends_webhooks(self) -> bool:
        """True if alerts can be sent to webhooks."""
        return self.deliveries is not None

    def start(self) -> None:
        """Start what runs in the background."""
        frames = SimpleFrames(self.simple.hub)
        self.feed.relay.start(frames.after(self.feed.hub.publish), self.seen.note)
        if self.deliveries is not None:
            self.deliveries.start()

    async def close(self) -> None:
        """End all threads and close all connections."""
        self.feed.stop()
        if self.deliveries is not None:
            await self.deliveries.stop()
        await self.reader.close()
        if self.history is not None:
            await self.history.close()


def make_market(settings: Settings, client: ClientOptions) -> Market:
    """The services that the settings describe, not started yet."""
    url, seen = settings.history_dsn, SeenTicks()
    reader = MarketReader(settings.redis)
    repairs = Repairs(reader, seen.knows)
    ticks, topics = settings.ticks_enriched_topic, settings.market_topics
    feed = make_tick_feed(client, ticks, topics, reader=reader, seen=seen, repairs=repairs)
    return Market(
        reader=reader,
        history=MarketHistory(open_database(url, settings.history_schema)) if url else None,
        topics=MarketTopics(client, settings.market_rules_topic, settings.market_alerts_topic),
        rules_topic=settings.market_rules_topic,
        reads=WorkPool("market-reads", threads=4, waiting_max=16, within_s=3.0),
        feed=feed,
        simple=LiveFeed(form=SYMBOLS, relay=feed.relay, states=feed.states),
        seen=seen,
        repairs=repairs,
        deliveries=make_deliveries(settings),
        private_webhooks=settings.webhook_private == "on",
    )
