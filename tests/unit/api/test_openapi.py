"""The OpenAPI description, from which clients are generated."""

from api.openapi import description


def test_no_two_models_have_the_same_name() -> None:
    # Of two that do, FastAPI writes the module into the names.
    assert [name for name in description()["components"]["schemas"] if "__" in name] == []
