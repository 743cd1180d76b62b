"""Pricewax with Kafka out alone: neither Redis nor a database."""

from bytewax.dataflow import Dataflow

from dataflows import pricing


def flow() -> Dataflow:
    return pricing.flow(with_redis=False)
