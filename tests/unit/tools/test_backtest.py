"""The backtest: equal to the flow's state, deterministic, and its reports."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from pricing.events import ProductEvent
from pricing.policy import default_policy, parse_policy
from tests.support.pipeline import ROOT
from tools.backtest import __main__ as backtest
from tools.backtest.comparison import compare
from tools.backtest.recording import Recorded, Recording, record_files
from tools.backtest.run import run

DAY = ROOT / "data" / "online-retail-2011-12-05.csv"
SHOP = ROOT / "policies" / "shop.toml"
T0 = 1_700_000_000_000


@pytest.fixture
def hours(tmp_path: Path) -> Path:
    """The first hours of the day."""
    with DAY.open(encoding="utf-8") as lines:
        (tmp_path / "hours.csv").write_text("".join(itertools.islice(lines, 1_000)), encoding="utf-8")
    return tmp_path / "hours.csv"


def recorded(kind: str, at_s: int, price: float = 10.0, quantity: float = 0.0, product: str = "A") -> Recorded:
    return Recorded(ProductEvent(kind, product, T0 + at_s * 1000, price), quantity)


def test_customers_pay_the_price_before_their_own_purchase() -> None:
    recording = Recording([recorded("view", 0), recorded("purchase", 1, quantity=2)], [], 0)
    outcome = run("default", default_policy(), recording, elasticity=2.0, cost_share=0.5)
    sold = outcome.sold["A"]
    # 10 + 5 * sqrt(1)
    assert (sold.units, sold.revenue, sold.base) == (2, 30.0, 20.0)
    assert sold.units_elastic == pytest.approx(2 * 1.5**-2)
    assert sold.revenue_elastic == pytest.approx(15 * 2 * 1.5**-2)
    assert sold.unit_cost == 5.0
    assert (outcome.decisions, outcome.changes) == (2, 1)


def test_before_its_first_price_a_product_is_sold_at_the_recorded_one() -> None:
    outcome = run(
        "p",
        default_policy(),
        Recording([recorded("purchase", 0, quantity=1)], [], 0),
        elasticity=1,
        cost_share=None,
    )
    assert (outcome.sold["A"].revenue, outcome.sold["A"].unit_cost) == (10.0, None)


def test_demand_decays_between_events_as_in_the_flow() -> None:
    events = [recorded("purchase", 0, quantity=1), recorded("purchase", 3_600, quantity=1)]
    policy = parse_policy("[demand]\nhalf_life_s = 60")
    outcome = run("p", policy, Recording(events, [], 0), elasticity=1, cost_share=None, watched=frozenset("A"))
    assert outcome.sold["A"].revenue == 20.0
    prices = [price for _, price in outcome.path["A"]]
    assert len(prices) > 5
    assert prices[:-1] == sorted(prices[:-1], reverse=True)


def test_guardrails_are_counted() -> None:
    policy = parse_policy("[guardrails]\nceiling = 11")
    outcome = run(
        "p", policy, Recording([recorded("view", n) for n in range(3)], [], 0), elasticity=1, cost_share=None
    )
    assert outcome.hits == {"ceiling": 3}


def test_a_run_and_its_samples_are_deterministic(hours: Path) -> None:
    recording = record_files([hours], views=1, seed=1)
    assert len(recording.events) > 1_000
    policies = (default_policy(), parse_policy(SHOP.read_text(encoding="utf-8")))

    def figures() -> Any:
        outcomes = [
            run(str(n), policy, recording, elasticity=1.5, cost_share=None) for n, policy in enumerate(policies)
        ]
        return compare(outcomes, samples=50)

    first, second = figures(), figures()
    assert first == second
    default, shop = first
    assert default.against_first is None
    assert shop.against_first is not None
    assert default.base_revenue == shop.base_revenue
    for each in first:
        assert each.uplift.low <= each.uplift.value <= each.uplift.high
    assert default.margin_percent is None


def test_the_reports(hours: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made_json, made_html = tmp_path / "report.json", tmp_path / "report.html"
    options = [
        "--views",
        "0",
        "--samples",
        "20",
        "--cost-share",
        "0.6",
        "--json",
        str(made_json),
        "--html",
        str(made_html),
    ]
    assert backtest.main([str(hours), "--policy", str(SHOP), *options]) == 0
    text = capsys.readouterr().out
    assert "uplift against the first" in text
    document = json.loads(made_json.read_text(encoding="utf-8"))
    assert [each["name"] for each in document["policies"]] == ["default", "shop"]
    assert document["about"]["refused"] > 0
    page = made_html.read_text(encoding="utf-8")
    assert page.count("<svg") == 1 + backtest.WATCHED
    assert "http" not in page.replace("http-equiv", "")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([str(ROOT / "README.md")], "README.md"),
        (["missing.csv"], "missing.csv"),
        ([str(DAY), "--policy", str(ROOT / "README.md")], "README.md"),
    ],
)
def test_a_file_that_is_not_usable_is_one_line(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert backtest.main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("backtest: ")
    assert says in error
    assert error.count("\n") == 1


def test_it_takes_files_or_topics(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], [str(DAY), "--topics"]):
        with pytest.raises(SystemExit):
            backtest.main(arguments)
    assert "takes files, or --topics" in capsys.readouterr().err
