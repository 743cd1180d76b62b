"""A shard: the products that it owns, and the effect of each signal on them. It does not depend on Bytewax.

A decision depends only on the signal and the state. `now_ms` only sets `updated_at_ms` and ends overrides that have
expired. The version of a product must not depend on the order in which topics are read, nor on the moment when a
timer fires. Both may differ after a crash. If a version then counted less than before, readers would take it for an
old one (docs/decisions/0009)."""

from collections.abc import Iterable

import msgspec

from core.event_clock import EventClock
from core.positions import NO_POSITION, SourcePosition
from core.room import UNBOUNDED
from pricing.batches import ChangeBatch, EventBatch
from pricing.catalogue import CatalogueChange
from pricing.commands import Freeze, FreezeLift, OverrideRemoval, PriceOverride, ProductCorrection
from pricing.decision import Cause, FreezeChange, PriceDecision, PricedEvents
from pricing.external_events import ExternalEvent, ExternalEvents
from pricing.policy import PricingPolicy
from pricing.state import freezes as frozen
from pricing.state import overrides
from pricing.state.catalogue import change_catalogue, is_outdated
from pricing.state.corrections import correct
from pricing.state.event_loop import EventNumbers, price_events
from pricing.state.forgetting import Forgetting
from pricing.state.freezes import Freezes
from pricing.state.overrides import Expiries
from pricing.state.product import Decider, ProductState
from pricing.state.replay import Replay, lift_of
from pricing.state.settling import settled_decisions
from pricing.state.shard_signals import ShardSignals
from pricing.state.snapshot import GONE, ShardDocument, pack_shard, unpack_product, unpack_shard

SAMPLE = 64
"""Number of products that `estimate_bytes` encodes."""

FORGOTTEN_BYTES = 32
"""Of a forgotten product in a document, about."""


class Shard:
    """State of the products of one shard: signals in, decisions out. Restored from its documents
    (`pricing/state/snapshot.py`), the oldest first. version_base: the version of a product before its first change;
    0, unless the flow has started over.

    Belongs to one thread. Implements `core.snapshots.LoggedState`. Held by `dataflows/steps/price.py`. The
    constructor raises ValueError for a document of a newer format."""

    def __init__(self, policy: PricingPolicy, *documents: bytes, version_base: int = 0) -> None:
        self.decider = Decider(policy, version_base)
        self._numbers = EventNumbers.of(policy)
        self.products: dict[str, ProductState] = {}
        # A dict as an ordered set: the order of a document must not depend on hashes.
        self.dirty: dict[str, None] = {}
        self._expiries = Expiries()
        self.freezes = Freezes()
        self.clock = EventClock()
        self.external = self.decider.external = ExternalEvents()
        self.signals = ShardSignals(self)
        self._settled = 0
        self._forgetting = Forgetting()
        self._settled_now = False
        opened = [unpack_shard(document) for document in documents]
        self.decider.version_base = max([version_base, *(document.version_base for document in opened)])
        replay = Replay(self.decider.version_base)
        self._restore(opened, replay)
        self.replay: Replay | None = replay

    def _restore(self, documents: Iterable[ShardDocument], replay: Replay) -> None:
        newest: dict[str, msgspec.Raw] = {}
        unsettled: dict[str, tuple[str, int, int]] = {}
        for document in documents:
            newest.update(document.products)
            for product_id in document.products:
                unsettled.pop(product_id, None)
            unsettled.update(document.unsettled)
            self._settled = document.settled
            self._forgetting.restore(document.forget_before_ms, document.version_base)
            self._forgetting.forgotten.update(document.forgotten)
            self.clock = EventClock(max(self.clock.newest_ms, document.newest_ms))
            self.freezes.restore(document.freezes, document.lifted)
            self.external.restore(document.external)
        self.signals.begin()
        for product_id, packed in newest.items():
            if packed == GONE:
                continue
            state = self.products[product_id] = unpack_product(packed)
            if state.override:
                self._expiries.watch(state.override)
            self.signals.watch_restored(state)
            if product_id in unsettled:
                replay.restore(state, SourcePosition(*unsettled[product_id]))
            elif self._forgetting.is_due(state):
                replay.restore(state, NO_POSITION)

    def __len__(self) -> int:
        return len(self.products)

    def __contains__(self, product_id: object) -> bool:
        return product_id in self.products

    def get(self, product_id: str) -> ProductState | None:
        """The state of a product, None if the shard does not know it."""
        return self.products.get(product_id)

    @property
    def version_base(self) -> int:
        """The version of a product before its first change."""
        return self.decider.version_base

    # Snapshots

    def snapshot(self) -> bytes:
        self.external.dirty = True
        return self._pack([*self.products, *self._forgetting.forgotten])

    def changes(self) -> bytes | None:
        parts = self.freezes.dirty, self.external.dirty, self._forgetting.dirty, self._settled_now
        return self._pack(self.dirty) if self.dirty or any(parts) else None

    def estimate_bytes(self) -> int:
        sample = {name: state for _, (name, state) in zip(range(SAMPLE), self.products.items(), strict=False)}
        packed = pack_shard(sample, [], [], 0, {}, version_base=0, forget_before_ms=0, forgotten={})
        products_bytes = len(packed) * len(self.products) // max(len(sample), 1)
        return products_bytes + FORGOTTEN_BYTES * len(self._forgetting.forgotten)

    def _pack(self, product_ids: Iterable[str]) -> bytes:
        products = {product_id: self.products.get(product_id) for product_id in product_ids}
        self.dirty.clear()
        external = list(self.external.by_id.values()) if self.external.dirty else None
        self.freezes.dirty = self.external.dirty = self._forgetting.dirty = self._settled_now = False
        self.decider.version_base = max(self.decider.version_base, self._forgetting.version_base)
        due = self.replay.catalogued if self.replay is not None else {}
        unsettled = {product_id: due[product_id] for product_id in products if product_id in due}
        forgotten = self._forgetting.forgotten
        return pack_shard(
            products,
            self.freezes.in_force,
            self.freezes.lifted,
            self._settled,
            unsettled,
            version_base=self._forgetting.version_base,
            forget_before_ms=self._forgetting.before_ms,
            forgotten={name: forgotten[name] for name in products if products[name] is None and name in forgotten},
            newest_ms=self.clock.newest_ms,
            external=external,
        )

    # Signals

    def apply_events(self, batch: EventBatch, now_ms: int) -> tuple[PricedEvents | None, list[PriceDecision]]:
        """The prices of events that all are of this shard, without a bound on the number of products: see
        `price_events`."""
        holders = [self] * len(batch.events)
        events, decisions, _ = price_events(
            batch, holders, self.decider, self._numbers, room=UNBOUNDED, now_ms=now_ms
        )
        self.clock.note(max(event.event_time_ms for event in batch.events), now_ms)
        return events, decisions

    def apply(self, batch: ChangeBatch, now_ms: int) -> list[PriceDecision]:
        """The decisions of a batch of changes, in its order."""
        self.decider.at_s = self.clock.at_ms(now_ms) // 1000
        decisions: list[PriceDecision] = []
        over: list[PriceOverride] = []
        for signal in batch.changes:
            if isinstance(signal, Freeze):
                self.freezes.set(signal)
                continue
            if isinstance(signal, ExternalEvent):
                decisions += self.signals.apply_external(signal, now_ms)
                continue
            if self.replay is not None and not isinstance(signal, FreezeLift):
                self.replay.note_change(batch, signal, self.products.get(signal.product_id))
            if isinstance(signal, PriceOverride):
                decisions += self._set_override(signal, over, now_ms)
                continue
            position = SourcePosition(batch.topic, batch.partition, signal.offset)
            if isinstance(signal, FreezeLift):
                decisions += self._lift_freeze(signal, position, now_ms)
            elif isinstance(signal, OverrideRemoval):
                decisions += self._remove_override(signal, position, now_ms)
            elif isinstance(signal, ProductCorrection):
                decisions += self._correct(signal, position, now_ms)
            else:
                decisions += self._change_catalogue(signal, position, now_ms)
        for override in over:
            state = self.products[override.product_id]
            if state.override is override and override.expires_at_ms is not None:
                decisions.append(self._expire(state, override.expires_at_ms, now_ms))
        return decisions

    def _set_override(self, override: PriceOverride, over: list[PriceOverride], now_ms: int) -> list[PriceDecision]:
        """Decide an override. One that had ended when Kafka took it has no effect. One that ended before it was
        read counts, because it may have been read in time before a crash, but no reader sees it; it is added to
        `over`."""
        if overrides.is_over(override, override.kafka_time_ms):
            self.decider.causes[Cause.NEVER_IN_FORCE] += 1
            return []
        state = self.products.get(override.product_id)
        if state is None:
            state = self.products[override.product_id] = self._new(override.product_id)
        decisions = self._expire_before(state, override.kafka_time_ms, now_ms)
        self.dirty[override.product_id] = None
        if was_over := overrides.is_over(override, now_ms):
            over.append(override)
        else:
            self._expiries.watch(override)
        return [*decisions, overrides.set_override(state, override, self.decider, now_ms, was_over=was_over)]

    def _remove_override(
        self, removal: OverrideRemoval, position: SourcePosition, now_ms: int
    ) -> list[PriceDecision]:
        state = self.products.get(removal.product_id)
        if state is None:
            return []
        decisions = self._expire_before(state, removal.event_time_ms, now_ms)
        if state.override is not None and removal.event_time_ms == state.expired_ms:
            # The flow's own tombstone of an override that ended by time. A newer one was set before it came.
            decisions.append(state.to_decision(Cause.KEPT, position))
        elif state.override is not None:
            at_ms = removal.event_time_ms
            decisions.append(self._end_override(state, Cause.OVERRIDE_REMOVED, position, at_ms, now_ms))
        return decisions

    def _lift_freeze(self, lift: FreezeLift, position: SourcePosition, now_ms: int) -> list[PriceDecision]:
        if not self.freezes.lift(lift):
            return []
        decisions = []
        for state in self.products.values():
            if frozen.covers(lift.scope, state):
                self.dirty[state.product_id] = None
                decision = frozen.release(
                    state, lift, self.decider, freezes=self.freezes, position=position, now_ms=now_ms
                )
                if decision is not None:
                    self._note_aged(state, position)
                    decisions.append(decision)
        return decisions

    def _correct(self, correction: ProductCorrection, position: SourcePosition, now_ms: int) -> list[PriceDecision]:
        state = self.products.get(correction.product_id)
        if state is None:
            return []
        self.dirty[correction.product_id] = None
        freeze = self.freezes.of(state)
        return [correct(state, correction, self.decider, freeze=freeze, position=position, now_ms=now_ms)]

    def _change_catalogue(
        self, change: CatalogueChange, position: SourcePosition, now_ms: int
    ) -> list[PriceDecision]:
        state = self.products.get(change.product_id)
        if state is None:
            if change.entry is None:
                return []
            state = self.products[change.product_id] = self._new(change.product_id)
        self.dirty[change.product_id] = None
        if is_outdated(state, change):
            return []
        self.signals.note_entry(state, change.entry)
        decision = change_catalogue(
            state, change, self.decider, freezes=self.freezes, position=position, now_ms=now_ms
        )
        return [decision]

    def announce(self, before_ms: int) -> bool:
        """Announce the products to forget, those that did not change since `before_ms` (UTC milliseconds). False
        before the shard has settled: messages of such a product may be among those that are read again."""
        if self.replay is not None:
            return False
        products = self.products.values()
        self._forgetting.announce((state for state in products if self.freezes.of(state) is None), before_ms)
        return True

    def forget(self, now_ms: int) -> list[PriceDecision]:
        """Forget the products that were announced and are still due. Returns the decisions that withdraw their
        prices. Empty if the announcement is not in a snapshot yet; the caller waits until that is committed."""
        forgetting = self._forgetting
        if self.replay is not None or forgetting.dirty:
            return []
        forgetting.drop_old(now_ms)
        decisions = []
        for state in [state for state in self.products.values() if forgetting.is_due(state)]:
            # One that something held when the base was announced may have a higher version. It waits for the next.
            if self.freezes.of(state) is None and state.version < forgetting.version_base:
                del self.products[state.product_id]
                self.signals.note_forgotten(state)
                self.dirty[state.product_id] = None
                decisions.append(forgetting.withdraw(state, now_ms))
        forgetting.clear()
        return decisions

    def _new(self, product_id: str) -> ProductState:
        return ProductState(product_id, version=self.decider.version_base)

    # Time

    def next_expiry_ms(self) -> int | None:
        """The time of the next end of an override, UTC milliseconds; None if there is none. It may be early, never
        late."""
        return self._expiries.next_ms()

    def expire(self, now_ms: int) -> list[PriceDecision]:
        """The decisions for all overrides that end at or before `now_ms`."""
        self.decider.at_s = self.clock.at_ms(now_ms) // 1000
        decisions = []
        for expires_at_ms, product_id in self._expiries.take(now_ms):
            state = self.products.get(product_id)
            if state is not None and state.override is not None and state.override.expires_at_ms == expires_at_ms:
                decisions.append(self._expire(state, expires_at_ms, now_ms))
        return decisions

    def _expire_before(self, state: ProductState, kafka_time_ms: int, now_ms: int) -> list[PriceDecision]:
        """End an override that had expired when another command for its product came to Kafka.

        Its timer may have fired by now or not. The result must not depend on that, because in a replay it fires at
        another moment."""
        override = state.override
        if override is None or override.expires_at_ms is None or not overrides.is_over(override, kafka_time_ms):
            return []
        return [self._expire(state, override.expires_at_ms, now_ms)]

    def _expire(self, state: ProductState, expires_at_ms: int, now_ms: int) -> PriceDecision:
        assert state.override is not None
        state.expired_ms = expires_at_ms
        return self._end_override(state, Cause.OVERRIDE_EXPIRED, state.override.position, expires_at_ms, now_ms)

    def _end_override(
        self, state: ProductState, cause: str, position: SourcePosition, at_ms: int, now_ms: int
    ) -> PriceDecision:
        self.dirty[state.product_id] = None
        decision = overrides.end_override(
            state,
            self.decider,
            freeze=self.freezes.of(state),
            cause=cause,
            position=position,
            at_ms=at_ms,
            now_ms=now_ms,
        )
        self._note_aged(state, position)
        return decision

    def _note_aged(self, state: ProductState, position: SourcePosition) -> None:
        """A decision used the time that has passed. In a replay it may be another time."""
        if self.replay is not None and state.aged_demand is not None:
            self.replay.note_signal(state.product_id, state, position)

    # Reports

    def take_freeze_changes(self) -> list[FreezeChange]:
        """The changes since the last call of those freezes that this shard reports."""
        return self.freezes.take_changes()

    def refill(self, product_ids: Iterable[str] = ()) -> Iterable[PriceDecision]:
        """The latest decision of these products, for a store that lost them. Without products: of all, and freezes
        are reported again too. Prices of forgotten products are withdrawn again."""
        if not product_ids:
            self.freezes.report_again()
            product_ids = [*self.products, *self._forgetting.forgotten]
        for product_id in dict.fromkeys(product_ids):
            state = self.products.get(product_id)
            if state is not None:
                self.signals.show_again(state)
            if state is None:
                if (withdrawn := self._forgetting.withdraw_again(product_id)) is not None:
                    yield withdrawn
                continue
            yield PriceDecision(
                product_id=state.product_id,
                version=state.version,
                update=state.to_update(),
                cause=Cause.REFILL,
                position=NO_POSITION,
                updated_at_ms=state.updated_at_ms,
                day_open=state.day_open,
                override=state.override,
                catalogue=state.catalogue,
            )

    def settle(self, *, was_resumed: bool, execution: int) -> list[PriceDecision]:
        """The decisions that make all readers agree after a restart. Called once after each start, when all
        messages from before the start are read. Empty at the first start of a flow.

        was_resumed: the flow continues from a snapshot. execution: number of the flow's executions before this one.
        They may have published prices even if no snapshot is left of them.

        See `settled_decisions` for the problems that this solves."""
        replay, self.replay = self.replay, None
        if replay is None:
            return []
        lift = lift_of(execution, self._settled)
        self._settled, self._settled_now = execution, True
        # Versions may go above what was announced.
        self._forgetting.clear()
        self.dirty.update(dict.fromkeys(replay.catalogued))
        if not was_resumed and not execution:
            return []
        return settled_decisions(replay, self.products, self._forgetting.version_base, lift)
