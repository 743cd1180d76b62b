"""A live feed: everything that a WebSocket route needs of one system."""

from collections.abc import Callable
from typing import Any

from api.live.hub import Hub
from api.live.relay import Relay
from api.live.states import StateStore
from api.live.subscription import KeyForm, subscribe_parser


class LiveFeed:
    """The updates and states of one system, such as pricing. A system makes one, and mounts a route that calls
    `serve_client` with it.

    form: of the system's keys. relay: reads the updates. states: the newest of each
    key."""

    def __init__(self, *, form: KeyForm, relay: Relay[Any], states: StateStore[Any]) -> None:
        self.form = form
        self.relay = relay
        self.states = states
        self.hub = Hub()
        self.parse_subscribe = subscribe_parser(form)

    def start(self, on_decoded: Callable[[Any], None]) -> None:
        """Start the relay. on_decoded: called in the event loop with every update, decoded."""
        self.relay.start(self.hub.publish, on_decoded)

    def stop(self) -> None:
        """Stop the relay."""
        self.relay.stop()
