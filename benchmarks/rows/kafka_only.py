"""Pricewax with Kafka as its only output: neither Redis nor a database."""

from bytewax.dataflow import Dataflow

from dataflows import pricing


def flow() -> Dataflow:
    """Build the flow from the settings."""
    return pricing.flow(with_redis=False)
