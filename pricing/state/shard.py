"""A shard: the products that it owns, and what each signal does to them. The heart of the flow, without the flow.

A decision depends on the signal and the state only; `now_ms` stamps `updated_at_ms` and ends overrides whose time
has passed. The version of a product must not depend on the order in which topics are read, nor on the moment at
which a timer fires. After a crash both may be different, and a version that counted less than before would be taken
for an old one (docs/decisions/0009)."""

from collections import Counter
from collections.abc import Iterable

import msgspec

from core.positions import NO_POSITION, SourcePosition
from pricing.batches import ChangeBatch, EventBatch
from pricing.catalogue import CatalogueChange
from pricing.commands import Freeze, FreezeLift, OverrideRemoval, PriceOverride
from pricing.decision import Cause, FreezeChange, PriceDecision, PricedEvents
from pricing.policy import PricingPolicy
from pricing.state import freezes as frozen
from pricing.state import overrides
from pricing.state.catalogue import change_catalogue
from pricing.state.event_loop import EventNumbers, price_events
from pricing.state.freezes import Freezes
from pricing.state.overrides import Expiries
from pricing.state.product import Decider, ProductState
from pricing.state.snapshot import GONE, pack_shard, unpack_product, unpack_shard

SAMPLE = 64
"""Products that an estimate is made from."""


class Shard:
    """State of the products of one shard. Restored from its documents (`pricing/state/snapshot.py`), the oldest
    first. Belongs to one thread. A `core.snapshots.LoggedState`."""

    def __init__(self, policy: PricingPolicy, *documents: bytes) -> None:
        self._decider = Decider(policy)
        self._numbers = EventNumbers.of(policy)
        self._products: dict[str, ProductState] = {}
        # In order of change, so that the documents of a run do not depend on hashes.
        self._dirty: dict[str, None] = {}
        self._expiries = Expiries()
        self._freezes = Freezes()
        self._restored = bool(documents)
        self._restore(documents)

    def _restore(self, documents: Iterable[bytes]) -> None:
        newest: dict[str, msgspec.Raw] = {}
        for document in map(unpack_shard, documents):
            newest.update(document.products)
            self._freezes.restore(document.freezes, document.lifted)
        for product_id, packed in newest.items():
            if packed == GONE:
                continue
            state = self._products[product_id] = unpack_product(packed)
            if state.override:
                self._expiries.watch(state.override)

    def __len__(self) -> int:
        return len(self._products)

    def get(self, product_id: str) -> ProductState | None:
        return self._products.get(product_id)

    @property
    def alerts(self) -> Counter[str]:
        """Guardrail alerts by their text. The caller clears it."""
        return self._decider.alerts

    # Snapshots

    def snapshot(self) -> bytes:
        return self._pack(self._products)

    def changes(self) -> bytes | None:
        if not self._dirty and not self._freezes.dirty:
            return None
        return self._pack(self._dirty)

    def estimate_bytes(self) -> int:
        sample = {name: state for _, (name, state) in zip(range(SAMPLE), self._products.items(), strict=False)}
        return len(pack_shard(sample, [], [])) * len(self._products) // max(len(sample), 1)

    def _pack(self, product_ids: Iterable[str]) -> bytes:
        products = {product_id: self._products.get(product_id) for product_id in product_ids}
        self._dirty.clear()
        self._freezes.dirty = False
        return pack_shard(products, self._freezes.in_force, self._freezes.lifted)

    # Signals

    def apply_events(self, batch: EventBatch, now_ms: int) -> tuple[PricedEvents | None, list[PriceDecision]]:
        """Prices of a batch's events, and the decisions of those that get no new price: see `price_events`."""
        self._dirty.update(dict.fromkeys([event.product_id for event in batch.events]))
        return price_events(
            batch, self._products, self._decider, self._numbers, freezes=self._freezes, now_ms=now_ms
        )

    def apply(self, batch: ChangeBatch, now_ms: int) -> list[PriceDecision]:
        """Decisions of a batch, in its order."""
        decisions: list[PriceDecision] = []
        for signal in batch.changes:
            if isinstance(signal, Freeze):
                self._freezes.set(signal)
                continue
            if isinstance(signal, PriceOverride):
                decisions += self._set_override(signal, now_ms)
                continue
            position = SourcePosition(batch.topic, batch.partition, signal.offset)
            if isinstance(signal, FreezeLift):
                decisions += self._lift_freeze(signal, position, now_ms)
            elif isinstance(signal, OverrideRemoval):
                decisions += self._remove_override(signal, position, now_ms)
            else:
                decisions += self._change_catalogue(signal, position, now_ms)
        return decisions

    def _set_override(self, override: PriceOverride, now_ms: int) -> list[PriceDecision]:
        state = self._products.get(override.product_id)
        if state is None:
            state = self._products[override.product_id] = ProductState(override.product_id)
        decisions = self._expire_before(state, override.kafka_time_ms, now_ms)
        self._dirty[override.product_id] = None
        self._expiries.watch(override)
        return [*decisions, overrides.set_override(state, override, self._decider, now_ms)]

    def _remove_override(
        self, removal: OverrideRemoval, position: SourcePosition, now_ms: int
    ) -> list[PriceDecision]:
        state = self._products.get(removal.product_id)
        if state is None:
            return []
        decisions = self._expire_before(state, removal.event_time_ms, now_ms)
        if state.override is not None:
            at_ms = removal.event_time_ms
            decisions.append(self._end_override(state, Cause.OVERRIDE_REMOVED, position, at_ms, now_ms))
        return decisions

    def _lift_freeze(self, lift: FreezeLift, position: SourcePosition, now_ms: int) -> list[PriceDecision]:
        if not self._freezes.lift(lift):
            return []
        decisions = []
        for state in self._products.values():
            if frozen.covers(lift.scope, state):
                self._dirty[state.product_id] = None
                decision = frozen.release(
                    state, lift, self._decider, freezes=self._freezes, position=position, now_ms=now_ms
                )
                if decision is not None:
                    decisions.append(decision)
        return decisions

    def _change_catalogue(
        self, change: CatalogueChange, position: SourcePosition, now_ms: int
    ) -> list[PriceDecision]:
        state = self._products.get(change.product_id)
        if state is None:
            if change.entry is None:
                return []
            state = self._products[change.product_id] = ProductState(change.product_id)
        self._dirty[change.product_id] = None
        decision = change_catalogue(
            state, change, self._decider, freezes=self._freezes, position=position, now_ms=now_ms
        )
        if change.entry is None and state.version == 0:
            del self._products[change.product_id]
        return [decision]

    # Time

    def next_expiry_ms(self) -> int | None:
        """The time of the next end of an override, UTC milliseconds; may be early, never late."""
        return self._expiries.next_ms()

    def expire(self, now_ms: int) -> list[PriceDecision]:
        """Decisions for every override whose end is not after `now_ms`."""
        decisions = []
        for expires_at_ms, product_id in self._expiries.take(now_ms):
            state = self._products.get(product_id)
            if state is not None and state.override is not None and state.override.expires_at_ms == expires_at_ms:
                decisions.append(self._expire(state, expires_at_ms, now_ms))
        return decisions

    def _expire_before(self, state: ProductState, kafka_time_ms: int, now_ms: int) -> list[PriceDecision]:
        """End an override whose time was over when another command for its product came to Kafka, whether or not
        its timer has fired: that depends on the moment, and a replay has another one."""
        override = state.override
        if override is None or override.expires_at_ms is None or not overrides.is_over(override, kafka_time_ms):
            return []
        return [self._expire(state, override.expires_at_ms, now_ms)]

    def _expire(self, state: ProductState, expires_at_ms: int, now_ms: int) -> PriceDecision:
        assert state.override is not None
        return self._end_override(state, Cause.OVERRIDE_EXPIRED, state.override.position, expires_at_ms, now_ms)

    def _end_override(
        self, state: ProductState, cause: str, position: SourcePosition, at_ms: int, now_ms: int
    ) -> PriceDecision:
        self._dirty[state.product_id] = None
        return overrides.end_override(
            state,
            self._decider,
            freeze=self._freezes.of(state),
            cause=cause,
            position=position,
            at_ms=at_ms,
            now_ms=now_ms,
        )

    # What is known

    def take_freeze_changes(self) -> list[FreezeChange]:
        """The changes of freezes since the last call, of those that this shard reports."""
        return self._freezes.take_changes()

    def refill(self) -> Iterable[PriceDecision]:
        """The latest decision of every product, for a store that lost its data. Freezes are reported again."""
        self._freezes.report_again()
        for state in self._products.values():
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

    def repeat(self) -> Iterable[PriceDecision]:
        """After a restart, once all that was read before is read again: the decision of every product under an
        override or a freeze, whose events count and publish nothing.

        Before the crash these events may have come before the override, and been published up to a version that the
        override then did not reach. Readers would have dropped the override, and kept a price that is not in
        force."""
        if not self._restored:
            return
        for state in self._products.values():
            if state.override is not None or state.held:
                yield state.to_decision(Cause.REPEAT, NO_POSITION)
