"""A shard: the products it owns, and what each signal does to them. The heart of the flow, without the flow.

Everything a decision depends on is in the signal or in the state; `now_ms` only stamps `updated_at_ms` and
ends overrides whose time has passed. How far a product's version counts must not depend on the order in which
topics are read, nor on when a timer fires: after a crash both may be otherwise, and a version that counted less
than before would be taken for an old one.
"""

import heapq
from collections import Counter
from collections.abc import Iterable

import msgspec

from core.money import cents_between, to_cents
from core.positions import NO_POSITION, SourcePosition
from core.timestamps import DAY_MS
from pricing.batches import ChangeBatch, EventBatch
from pricing.catalogue import CatalogueChange
from pricing.commands import EVERYTHING, Freeze, FreezeLift, OverrideRemoval, PriceOverride
from pricing.decision import (
    Adjustment,
    Cause,
    FreezeChange,
    OverrideEnd,
    PriceDecision,
    PricedEvents,
    PriceSource,
    PriceUpdate,
    encode_update,
)
from pricing.demand import accumulate
from pricing.engine import (
    BASE_REASON,
    NO_GUARDRAILS,
    Quote,
    quote_base,
    quote_dynamic,
    quote_frozen,
    quote_override,
    quote_rules,
)
from pricing.policy import PricingPolicy
from pricing.rules import PricingInputs
from pricing.state import GONE, ProductState, pack_shard, unpack_product, unpack_shard

SAMPLE = 64
"""Products that an estimate goes by."""


class Shard:
    """State of the products of one shard, as its documents (pricing/state.py), the oldest first, have it.

    `alerts` counts guardrail alerts by their text."""

    def __init__(self, policy: PricingPolicy, *documents: bytes) -> None:
        self._policy = policy
        self._policy_version = policy.version
        self._weights: dict[str, float] = dict(policy.demand.weights.items())
        self._half_life_ms = policy.demand.half_life_ms
        self._unguarded = policy.guardrails == NO_GUARDRAILS
        self._products: dict[str, ProductState] = {}
        # In order of change, which is that of the log's, so that a run's documents do not depend on hashes.
        self._dirty: dict[str, None] = {}
        self._freezes_dirty = False
        self._expiries: list[tuple[int, str]] = []
        self._freezes: dict[str, Freeze] = {}
        self._lifted: set[str] = set()
        self._freeze_changes: list[FreezeChange] = []
        self._restored = bool(documents)
        self.alerts: Counter[str] = Counter()
        self._restore(documents)

    def _restore(self, documents: Iterable[bytes]) -> None:
        newest: dict[str, msgspec.Raw] = {}
        for document in map(unpack_shard, documents):
            newest.update(document.products)
            self._freezes = {freeze.scope: freeze for freeze in document.freezes}
            self._lifted = set(document.lifted)
        for product_id, packed in newest.items():
            if packed == GONE:
                continue
            state = self._products[product_id] = unpack_product(packed)
            if state.override:
                self._watch_expiry(state.override)

    def __len__(self) -> int:
        return len(self._products)

    def get(self, product_id: str) -> ProductState | None:
        return self._products.get(product_id)

    def snapshot(self) -> bytes:
        """A document of the whole shard."""
        return self._pack(self._products)

    def changes(self) -> bytes | None:
        """A document of what changed since the last one of either kind; None where nothing did."""
        if not self._dirty and not self._freezes_dirty:
            return None
        return self._pack(self._dirty)

    def estimate_bytes(self) -> int:
        """About how long a document of the whole shard is, by some of its products."""
        sample = {name: state for _, (name, state) in zip(range(SAMPLE), self._products.items(), strict=False)}
        return len(pack_shard(sample, [], [])) * len(self._products) // max(len(sample), 1)

    def _pack(self, product_ids: Iterable[str]) -> bytes:
        products = {product_id: self._products.get(product_id) for product_id in product_ids}
        self._dirty.clear()
        self._freezes_dirty = False
        return pack_shard(products, list(self._freezes.values()), sorted(self._lifted))

    def take_freeze_changes(self) -> list[FreezeChange]:
        """What has happened to freezes since the last call, where this shard is the one that reports it."""
        changes, self._freeze_changes = self._freeze_changes, []
        return changes

    def apply_events(self, batch: EventBatch, now_ms: int) -> tuple[PricedEvents | None, list[PriceDecision]]:
        """Prices of a batch's events, in its order (None without any), and beside them the decisions that are no
        price of an event: of products under an override or a freeze, and of those that have no price.

        The hot path: what `_decide` does, in one piece, and without guardrails where there are none."""
        products, dirty, freezes = self._products, self._dirty, self._freezes
        weights, half_life_ms = self._weights, self._half_life_ms
        policy, policy_version, unguarded = self._policy, self._policy_version, self._unguarded
        updates: list[bytes] = []
        day_opens: list[float | None] = []
        others: dict[int, PriceDecision] = {}
        price: float | None
        for event in batch.events:
            product_id = event.product_id
            event_time_ms = event.event_time_ms
            state = products.get(product_id)
            if state is None:
                state = products[product_id] = ProductState(product_id)
            dirty[product_id] = None
            if half_life_ms is None:
                state.demand = demand = state.demand + weights[event.event_type]
            else:
                demand, state.demand_time_ms = accumulate(
                    state.demand, state.demand_time_ms, weights[event.event_type], event_time_ms, half_life_ms
                )
                state.demand = demand
            state.event_price = event.price
            state.version = version = state.version + 1
            state.event_time_ms = event_time_ms
            state.updated_at_ms = now_ms
            if state.override is not None or (freezes and self._freeze_of(state)):
                index = len(updates) + len(others)
                position = SourcePosition(batch.topic, batch.partition, batch.offsets[index])
                others[index] = self._count_held(state, position)
                continue
            previous = state.price
            inputs = PricingInputs(event.price, demand, state.catalogue)
            if unguarded:
                _, price, adjustments = quote_rules(inputs, policy)
            else:
                quote = quote_dynamic(inputs, policy, previous, previous, state.changed_at_ms, event_time_ms)
                self._note(quote)
                price, adjustments = quote.price, quote.adjustments
            if price != previous:
                state.price = price
                state.changed_at_ms = event_time_ms
            day = event_time_ms // DAY_MS
            if day > state.day and price is not None:
                state.day, state.day_open = day, price if previous is None else previous
            if state.held:
                state.held = False
            state.previous_price = previous
            state.price_source = PriceSource.DYNAMIC
            state.adjustments = adjustments
            state.policy = policy_version
            if price is None:
                index = len(updates) + len(others)
                position = SourcePosition(batch.topic, batch.partition, batch.offsets[index])
                others[index] = self._decision(state, Cause.EVENT, position)
                continue
            update = PriceUpdate(
                product_id,
                price,
                event_time_ms // 1000,
                version,
                previous,
                demand,
                PriceSource.DYNAMIC,
                event_time_ms,
                policy_version,
                adjustments,
            )
            updates.append(encode_update(update))
            day_opens.append(state.day_open)
        offsets, keys = batch.offsets, batch.keys
        if others:
            priced = [index for index in range(len(offsets)) if index not in others]
            offsets, keys = [offsets[index] for index in priced], [keys[index] for index in priced]
        events = PricedEvents(batch.topic, batch.partition, now_ms, offsets, keys, updates, day_opens)
        return (events if updates else None), list(others.values())

    def apply(self, batch: ChangeBatch, now_ms: int) -> list[PriceDecision]:
        """Decisions of a batch, in its order."""
        decisions: list[PriceDecision] = []
        decision: PriceDecision | None
        topic, partition = batch.topic, batch.partition
        for signal in batch.changes:
            if isinstance(signal, Freeze):
                self._set_freeze(signal)
                continue
            if isinstance(signal, PriceOverride):
                self._dirty[signal.product_id] = None
                decisions += self._expire_before(signal.product_id, signal.kafka_time_ms, now_ms)
                decisions.append(self._set_override(signal, now_ms))
                continue
            position = SourcePosition(topic, partition, signal.offset)
            if isinstance(signal, FreezeLift):
                decisions += self._lift_freeze(signal, position, now_ms)
                continue
            self._dirty[signal.product_id] = None
            if isinstance(signal, OverrideRemoval):
                decisions += self._expire_before(signal.product_id, signal.event_time_ms, now_ms)
                decision = self._remove_override(signal, position, now_ms)
            else:
                assert isinstance(signal, CatalogueChange)
                decision = self._change_catalogue(signal, position, now_ms)
            if decision is not None:
                decisions.append(decision)
        return decisions

    def next_expiry_ms(self) -> int | None:
        """When the next override ends, UTC milliseconds; may be early, never late."""
        return self._expiries[0][0] if self._expiries else None

    def expire(self, now_ms: int) -> list[PriceDecision]:
        """Decisions for every override whose end is not after `now_ms`."""
        decisions = []
        while self._expiries and self._expiries[0][0] <= now_ms:
            expires_at_ms, product_id = heapq.heappop(self._expiries)
            state = self._products.get(product_id)
            # The heap also holds ends of overrides that were replaced or removed since.
            if state is None or state.override is None or state.override.expires_at_ms != expires_at_ms:
                continue
            self._dirty[product_id] = None
            position = state.override.position
            decisions.append(self._end_override(state, Cause.OVERRIDE_EXPIRED, position, expires_at_ms, now_ms))
        return decisions

    def _expire_before(self, product_id: str, kafka_time_ms: int, now_ms: int) -> list[PriceDecision]:
        """End an override whose time was over when another command for its product came to Kafka, whether or not
        the timer has got to it: that depends on the moment, and a replay has another one."""
        state = self._products.get(product_id)
        if state is None or state.override is None:
            return []
        expires_at_ms = state.override.expires_at_ms
        if expires_at_ms is None or expires_at_ms > kafka_time_ms:
            return []
        position = state.override.position
        return [self._end_override(state, Cause.OVERRIDE_EXPIRED, position, expires_at_ms, now_ms)]

    def refill(self) -> Iterable[PriceDecision]:
        """The latest decision of every product, for a store that lost its data; freezes are reported again."""
        self._freeze_changes += [
            FreezeChange(freeze.scope, freeze, None, freeze.set_at_ms)
            for freeze in self._freezes.values()
            if freeze.recorded
        ]
        self._freeze_changes += [FreezeChange(scope, None, None, 0) for scope in sorted(self._lifted)]
        for state in self._products.values():
            yield PriceDecision(
                state.product_id,
                state.version,
                state.to_update(),
                Cause.REFILL,
                NO_POSITION,
                state.updated_at_ms,
                state.day_open,
                override=state.override,
                catalogue=state.catalogue,
            )

    def repeat(self) -> Iterable[PriceDecision]:
        """After a restart, once what was read before is read again: the decision of every product under an override
        or a freeze, whose events count and publish nothing.

        Before the crash these events may have come before the override, and been published up to a version that the
        override then did not reach: readers would have dropped it, and kept a price that is none any more."""
        if not self._restored:
            return
        for state in self._products.values():
            if state.override is not None or state.held:
                yield self._decision(state, Cause.REPEAT, NO_POSITION)

    def _count_held(self, state: ProductState, position: SourcePosition) -> PriceDecision:
        """An event of a product under an override or a freeze. The price stays, and where there is none yet,
        there is none: a late price is better than a wrong one."""
        assert state.event_price is not None
        if state.override is not None:
            if state.price is not None:
                # The base is the new event's, so the override's amount gives way.
                base, override, *bounds = state.adjustments
                amount = to_cents(state.event_price)
                difference = cents_between(override.amount + base.amount, amount)
                state.adjustments = [
                    Adjustment("base", amount, BASE_REASON),
                    Adjustment(override.rule, difference, override.reason),
                    *bounds,
                ]
            return self._decision(state, Cause.UNDER_OVERRIDE, position)
        freeze, inputs = self._freeze_of(state), self._inputs(state)
        assert freeze is not None
        state.held = True
        if state.price is not None and inputs is not None:
            state.adjustments = quote_frozen(state.price, inputs, False, freeze.reason).adjustments
            state.price_source = PriceSource.DYNAMIC
        return self._decision(state, Cause.UNDER_FREEZE, position)

    def _freeze_of(self, state: ProductState) -> Freeze | None:
        """The freeze that holds a product; the narrowest, where there are several."""
        freezes = self._freezes
        category = state.catalogue.category if state.catalogue else None
        return (
            freezes.get(f"product:{state.product_id}")
            or (freezes.get(f"category:{category}") if category is not None else None)
            or freezes.get(EVERYTHING)
        )

    def _set_freeze(self, freeze: Freeze) -> None:
        replaced = self._freezes.get(freeze.scope)
        self._freezes[freeze.scope] = freeze
        self._freezes_dirty = True
        self._lifted.discard(freeze.scope)
        if freeze.recorded:
            self._freeze_changes.append(FreezeChange(freeze.scope, freeze, replaced, freeze.set_at_ms))

    def _lift_freeze(self, lift: FreezeLift, position: SourcePosition, now_ms: int) -> list[PriceDecision]:
        """Products that nothing else holds, and that something has happened to meanwhile, get their price at
        once, every guardrail of the policy applied but the cooldown. It counts for every product in the scope."""
        ended = self._freezes.pop(lift.scope, None)
        if ended is None:
            return []
        self._freezes_dirty = True
        if lift.recorded:
            self._lifted.add(lift.scope)
            self._freeze_changes.append(FreezeChange(lift.scope, None, ended, lift.event_time_ms))
        decisions = []
        for state in self._products.values():
            if not _covers(lift.scope, state):
                continue
            self._dirty[state.product_id] = None
            inputs = self._inputs(state)
            free = state.held and state.override is None and self._freeze_of(state) is None
            if not free or inputs is None:
                if state.version:
                    state.version += 1
                continue
            state.held = False
            if state.event_price is not None:
                source = PriceSource.DYNAMIC
                quote = quote_dynamic(inputs, self._policy, state.price, state.price, None, lift.event_time_ms)
            else:
                source = PriceSource.BASE
                quote = quote_base(inputs, self._policy, state.price)
            decisions.append(
                self._decide(state, quote, source, Cause.FREEZE_LIFTED, position, lift.event_time_ms, now_ms)
            )
        return decisions

    def _set_override(self, override: PriceOverride, now_ms: int) -> PriceDecision:
        state = self._products.get(override.product_id)
        if state is None:
            state = self._products[override.product_id] = ProductState(override.product_id)
        replaced = state.override
        ended = OverrideEnd(replaced, override.set_at_ms) if replaced else None
        state.override = override
        self._watch_expiry(override)
        quote = quote_override(
            override.override_price,
            override.reason,
            self._inputs(state),
            state.event_price is None,
            self._policy,
            state.price,
        )
        return self._decide(
            state,
            quote,
            PriceSource.OVERRIDE,
            Cause.OVERRIDE_SET,
            override.position,
            override.set_at_ms,
            now_ms,
            ended,
        )

    def _remove_override(
        self, removal: OverrideRemoval, position: SourcePosition, now_ms: int
    ) -> PriceDecision | None:
        state = self._products.get(removal.product_id)
        if state is None or state.override is None:
            return None
        return self._end_override(state, Cause.OVERRIDE_REMOVED, position, removal.event_time_ms, now_ms)

    def _end_override(
        self, state: ProductState, cause: str, position: SourcePosition, at_ms: int, now_ms: int
    ) -> PriceDecision:
        assert state.override is not None
        ended = OverrideEnd(state.override, at_ms)
        state.override = None
        source = PriceSource.DYNAMIC if state.event_price is not None else PriceSource.BASE
        inputs = self._inputs(state)
        freeze = self._freeze_of(state) if self._freezes else None
        state.held = freeze is not None
        if inputs is None:
            quote = Quote(None, [])
        elif freeze is not None and state.price is not None:
            quote = quote_frozen(state.price, inputs, state.event_price is None, freeze.reason)
        elif source is PriceSource.DYNAMIC:
            # No step and no cooldown: removing an override restores the right price at once.
            quote = quote_dynamic(inputs, self._policy, state.price, None, None, at_ms)
        else:
            quote = quote_base(inputs, self._policy, state.price)
        return self._decide(state, quote, source, cause, position, at_ms, now_ms, ended)

    def _change_catalogue(
        self, change: CatalogueChange, position: SourcePosition, now_ms: int
    ) -> PriceDecision | None:
        state = self._products.get(change.product_id)
        if state is None:
            if change.entry is None:
                return None
            state = self._products[change.product_id] = ProductState(change.product_id)
        state.catalogue = change.entry
        if state.price is not None and self._freezes and self._freeze_of(state):
            state.held = True
        elif state.event_price is None and state.override is None:
            quote = Quote(None, [])
            if inputs := self._inputs(state):
                quote = quote_base(inputs, self._policy, state.price)
            self._note(quote)
            state.previous_price, state.price = state.price, quote.price
            state.price_source = PriceSource.BASE
            state.adjustments = quote.adjustments
            state.policy = self._policy.version
            state.event_time_ms = change.event_time_ms
            state.updated_at_ms = now_ms
        if change.entry is None and state.version == 0:
            del self._products[change.product_id]
        return self._decision(state, Cause.CATALOGUE, position, with_catalogue=True)

    def _inputs(self, state: ProductState) -> PricingInputs | None:
        if state.event_price is not None:
            return PricingInputs(state.event_price, state.demand, state.catalogue)
        if state.catalogue is not None:
            return PricingInputs(state.catalogue.base_price, state.demand, state.catalogue)
        return None

    def _decide(
        self,
        state: ProductState,
        quote: Quote,
        source: str,
        cause: str,
        position: SourcePosition,
        event_time_ms: int,
        now_ms: int,
        ended: OverrideEnd | None = None,
    ) -> PriceDecision:
        self._note(quote)
        if quote.price != state.price:
            state.changed_at_ms = event_time_ms
        day = event_time_ms // DAY_MS
        if day > state.day and quote.price is not None:
            state.day, state.day_open = day, quote.price if state.price is None else state.price
        state.version += 1
        state.previous_price, state.price = state.price, quote.price
        state.price_source = source
        state.adjustments = quote.adjustments
        state.policy = self._policy.version
        state.event_time_ms = event_time_ms
        state.updated_at_ms = now_ms
        return self._decision(state, cause, position, ended)

    def _decision(
        self,
        state: ProductState,
        cause: str,
        position: SourcePosition,
        ended: OverrideEnd | None = None,
        with_catalogue: bool = False,
    ) -> PriceDecision:
        return PriceDecision(
            state.product_id,
            state.version,
            state.to_update(),
            cause,
            position,
            state.updated_at_ms,
            state.day_open,
            state.override,
            ended,
            state.catalogue if with_catalogue else None,
            with_catalogue and state.catalogue is None,
        )

    def _note(self, quote: Quote) -> None:
        if quote.alert is not None:
            self.alerts[quote.alert] += 1

    def _watch_expiry(self, override: PriceOverride) -> None:
        if override.expires_at_ms is not None:
            heapq.heappush(self._expiries, (override.expires_at_ms, override.product_id))


def _covers(scope: str, state: ProductState) -> bool:
    category = state.catalogue.category if state.catalogue else None
    return scope in (EVERYTHING, f"product:{state.product_id}", f"category:{category}")
