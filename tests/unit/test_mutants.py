"""The mutants still fit the source. `make mutants` takes half an hour, and this check a moment."""

import pytest

from tests.mutants import MUTANTS, ROOT, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.promise for mutant in MUTANTS])
def test_a_mutant_changes_what_is_there(mutant: Mutant) -> None:
    assert (ROOT / mutant.file).read_text(encoding="utf-8").count(mutant.old) == 1
    assert all((ROOT / test.split("::")[0]).exists() for test in mutant.tests.split())
