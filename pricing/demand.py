"""Demand: the weighted sum of a product's events, optionally halved every so often of event time."""


def decayed(demand_score: float, age_ms: int, half_life_ms: int) -> float:
    """Exponential decay: `demand * 2^(-age / half_life)`; a negative age counts as zero."""
    return float(demand_score * 0.5 ** (age_ms / half_life_ms)) if age_ms > 0 else demand_score


def accumulate(
    demand_score: float, demand_time_ms: int, weight: float, event_time_ms: int, half_life_ms: int
) -> tuple[float, int]:
    """Demand after an event of a weight, and the event time up to which it holds.

    A late event counts with the weight it has left by now and does not turn time back, so the order in which
    events of different times arrive does not change the sum. Without a half-life, demand is a plain sum.
    """
    if event_time_ms >= demand_time_ms:
        return decayed(demand_score, event_time_ms - demand_time_ms, half_life_ms) + weight, event_time_ms
    return demand_score + decayed(weight, demand_time_ms - event_time_ms, half_life_ms), demand_time_ms
