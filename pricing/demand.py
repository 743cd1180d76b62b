"""Demand: the weighted sum of a product's events. With a half-life, it decays with event time."""


def decayed(demand_score: float, age_ms: int, half_life_ms: int) -> float:
    """Demand after `age_ms` of exponential decay: `demand * 2^(-age / half_life)`. A negative age counts as
    zero."""
    return float(demand_score * 0.5 ** (age_ms / half_life_ms)) if age_ms > 0 else demand_score


def accumulate(
    demand_score: float, demand_time_ms: int, weight: float, event_time_ms: int, half_life_ms: int
) -> tuple[float, int]:
    """Demand after an event of a weight, and the event time at which this demand is valid.

    A late event counts with the part of its weight that is left, and does not set the time back. So the order in
    which events arrive does not change the sum. Without a half-life, demand is a plain sum, and the caller adds the
    weight itself."""
    if event_time_ms >= demand_time_ms:
        return decayed(demand_score, event_time_ms - demand_time_ms, half_life_ms) + weight, event_time_ms
    return demand_score + decayed(weight, demand_time_ms - event_time_ms, half_life_ms), demand_time_ms
