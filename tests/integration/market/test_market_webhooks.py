"""An alert on its way from a tick to the receiver of a webhook."""

import asyncio
import json
from typing import Any

from standardwebhooks.webhooks import Webhook

from tests.support.market_pipeline import MarketPipeline
from tests.support.pipeline import KEY, wait_for
from tests.support.webhook_receiver import SECRET, Receiver

AT_S = 1_723_161_255
ADMIN = {"X-API-Key": KEY}


def test_an_alert_reaches_its_webhook_also_over_a_crash_of_the_api(market: MarketPipeline) -> None:
    webhooks: dict[str, Any] = {"WEBHOOK_SECRET": SECRET, "WEBHOOK_PRIVATE": "on"}

    async def run() -> None:
        async with Receiver() as receiver:
            rule = {"symbol": "ETH", "kind": "above", "threshold": 7, "webhook": receiver.url("/hook")}
            made = (await asyncio.to_thread(market.http.post, "/market/rules", json=rule, headers=ADMIN)).json()
            assert made["webhook"] == rule["webhook"]
            market.tick("ETH", 8, AT_S)
            market.flush()
            await receiver.wait(lambda: bool(receiver.received))
            (first,) = receiver.received
            alert = json.loads(first.body)
            assert (alert["id"], alert["symbol"], alert["value"]) == (f"{made['id']}-1", "ETH", 8.0)
            assert first.id == alert["id"]
            Webhook(SECRET).verify(first.body.decode(), first.headers)
            # An alert that fires while no API runs is delivered by the next one.
            assert market.api is not None
            market.http.close()
            market.api.kill()
            market.tick("ETH", 6, AT_S + 1)
            market.tick("ETH", 9, AT_S + 2)
            market.flush()
            market.start_api(**webhooks)
            await receiver.wait(lambda: len(set(receiver.ids())) == 2)
            assert receiver.ids()[-1] == f"{made['id']}-3"

    market.start_flow()
    market.start_api(**webhooks)
    wait_for(market.api_ready, what=market.output)
    asyncio.run(run())
    assert SECRET not in "".join(market.logs)
    market.stop_api()
    market.stop_flow()


def test_without_a_secret_a_rule_takes_no_webhook(market: MarketPipeline) -> None:
    market.start_flow()
    market.start_api()
    wait_for(market.api_ready, what=market.output)
    rule = {"symbol": "ETH", "kind": "above", "threshold": 7, "webhook": "https://example.com/hook"}
    answer = market.http.post("/market/rules", json=rule, headers=ADMIN)
    assert (answer.status_code, "WEBHOOK_SECRET" in answer.json()["error"]) == (503, True)
    market.stop_flow()
