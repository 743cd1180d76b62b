"""A model of the small shop, trained with few rounds."""

import contextlib
import io
from pathlib import Path
from unittest.mock import patch

from forecasting.commands import day_text
from forecasting.train import main
from tests.support.small_shop import START, demand_of_shop, write_invoices

UNTIL = START + 149
# One thread: two that wait for each other beside other tests are slower by far.
FEW = {"learning_rate": 0.2, "quantile_rounds": 15, "mean_rounds": 15, "min_data_in_leaf": 20, "num_threads": 1}


def trained_model(folder: Path, seed: int = 1) -> Path:
    """Train a model into a folder, from all days of the shop."""
    invoices = write_invoices(folder / "invoices.csv", demand_of_shop())
    with (
        patch("forecasting.train.DAY_LEARNING", FEW),
        patch("forecasting.train.HOUR_LEARNING", FEW),
        contextlib.redirect_stdout(io.StringIO()) as said,
    ):
        arguments = ["--data", str(invoices), "--until", day_text(UNTIL), "--seed", str(seed)]
        assert main([*arguments, "--out", str(folder / "out")]) == 0
    (folder / "out" / "said.txt").write_text(said.getvalue(), encoding="utf-8")
    return folder / "out"
