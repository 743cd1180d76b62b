"""Deliveries of alerts to webhooks: the service that makes the attempts."""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Mapping

import telemetry
from api.market.delivery_schedule import Outcome, Schedule, judge
from api.market.delivery_topic import GROUP, DeliveryTopic
from api.market.pending_deliveries import Limits, Pending, PendingDeliveries
from clients.kafka import ClientOptions, client_options
from clients.throttle import Throttle
from clients.webhook import UNUSABLE_URL, WebhookAnswer, WebhookClient, describe_target
from settings import Settings

STOP_WITHIN_S = 1.0
"""Seconds for attempts to end at a stop. One that is cut off is made again, with the same `webhook-id`."""

LOOK_EVERY_S = 5.0
"""The longest wait for the next attempt: the system's clock may have been set in the meantime."""

log = telemetry.get_logger("webhooks")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class Deliveries:
    """Delivers the alerts of the topic of deliveries. Each API process makes those of some partitions. An alert is
    delivered at least once, with its id as `webhook-id`.

    client, topic, config: of `DeliveryTopic`. webhook: not open yet; it is closed at the stop. group: the name of
    the consumer group. now_ms: the system's clock, UTC milliseconds. HTTP is in the event loop, Kafka in a thread.
    Used by the services of the API."""

    def __init__(
        self,
        client: ClientOptions,
        topic: str,
        config: Mapping[str, str],
        webhook: WebhookClient,
        *,
        schedule: Schedule | None = None,
        limits: Limits | None = None,
        group: str = GROUP,
        now_ms: Callable[[], int] = _now_ms,
    ) -> None:
        self._webhook = webhook
        self._now_ms = now_ms
        self._pending = PendingDeliveries(schedule or Schedule(), limits or Limits(), random.random)
        self._topic = DeliveryTopic(
            client, topic, config, self._pending, self._wake_soon, group=group, now_ms=now_ms
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._dispatcher: asyncio.Task[None] | None = None
        self._attempts: set[asyncio.Task[None]] = set()
        self._throttle = Throttle()

    def __len__(self) -> int:
        """The number of deliveries in memory."""
        return len(self._pending)

    def partitions(self) -> set[int]:
        """The partitions whose deliveries this process makes."""
        return self._pending.owned()

    def start(self) -> None:
        """Start. Called in the event loop. It waits for no server."""
        self._loop = asyncio.get_running_loop()
        self._dispatcher = asyncio.create_task(self._dispatch(), name="webhooks")
        self._dispatcher.add_done_callback(_report_end)
        self._topic.start()

    async def stop(self) -> None:
        """Let attempts end for STOP_WITHIN_S, write their results, and close all connections."""
        if self._dispatcher is None:
            return
        self._dispatcher.cancel()
        if self._attempts:
            await asyncio.wait(self._attempts, timeout=STOP_WITHIN_S)
        cut_off = list(self._attempts)
        for task in (*cut_off, self._dispatcher):
            task.cancel()
        await asyncio.gather(*cut_off, self._dispatcher, return_exceptions=True)
        await asyncio.to_thread(self._topic.stop)
        await self._webhook.close()

    def _wake_soon(self) -> None:
        """Wake the dispatcher. Any thread may call it."""
        assert self._loop is not None
        # After a stop the loop may be closed.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._wake.set)

    async def _dispatch(self) -> None:
        await self._webhook.open()
        while True:
            # Cleared before the look, so that no wake between the look and the wait is missed.
            self._wake.clear()
            while (entry := self._pending.next(self._now_ms())) is not None:
                task = asyncio.create_task(self._attempt(entry))
                self._attempts.add(task)
                task.add_done_callback(self._attempts.discard)
            telemetry.WEBHOOKS_PENDING.set(len(self._pending))
            due_ms = self._pending.next_due_ms()
            wait_s = LOOK_EVERY_S if due_ms is None else (due_ms - self._now_ms()) / 1000
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), max(0.0, min(wait_s, LOOK_EVERY_S)))

    async def _attempt(self, entry: Pending) -> None:
        began_ms = self._now_ms()
        delivery = entry.delivery
        try:
            answer = await self._webhook.post(delivery.url, delivery.id, bytes(delivery.alert))
        except Exception as error:
            # Without the error's text, which may hold the URL.
            log.error("an attempt has failed inside", error=type(error).__name__)
            answer = WebhookAnswer(None, "internal")
        wanted: Outcome = "given_up" if answer.reason == UNUSABLE_URL else judge(answer.status)
        outcome = self._pending.settle(
            entry, wanted, self._now_ms(), began_ms=began_ms, retry_after_ms=answer.retry_after_ms
        )
        telemetry.WEBHOOK_DELIVERIES.labels(outcome).inc()
        if outcome == "given_up" or (outcome == "failed" and self._throttle.is_due()):
            log.warning(
                "a delivery is given up" if outcome == "given_up" else "a delivery has failed; it is tried again",
                id=delivery.id,
                target=describe_target(delivery.url),
                attempts=delivery.attempts + 1,
                status=answer.status,
                reason=answer.reason,
            )
        self._wake.set()


def _report_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("deliveries have ended; start the API again", error=type(error).__name__)


def make_deliveries(settings: Settings) -> Deliveries | None:
    """The service of the settings, not started yet. None without `WEBHOOK_SECRET`: no rule takes a webhook then,
    and deliveries of before stay in their topic."""
    if settings.webhook_secret is None:
        return None
    topic = settings.webhook_deliveries_topic
    return Deliveries(
        client_options(settings.kafka_brokers, settings.kafka_client_options),
        topic,
        settings.market_topics[topic],
        WebhookClient(settings.webhook_secret.get_secret_value(), private=settings.webhook_private == "on"),
    )
