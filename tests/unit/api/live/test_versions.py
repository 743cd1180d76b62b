"""The one function that decides whether an update is newer."""

from api.live.versions import Versions


def test_a_version_is_newer_once() -> None:
    versions = Versions({"A": 5})
    assert [versions.advance("A", version) for version in (4, 5, 6, 6)] == [False, False, True, False]
    assert versions == {"A": 6}


def test_the_first_version_of_a_key_is_one_unless_states_count_from_zero() -> None:
    assert [Versions().advance("A", 0), Versions().advance("A", 1)] == [False, True]
    states = Versions(first=0)
    assert [states.advance("A", 0), states.advance("A", 0)] == [True, False]


def test_a_key_that_is_released_is_compared_no_more() -> None:
    versions = Versions({"A": 5})
    assert [versions.release("A", version) for version in (5, 6, 6)] == [False, True, True]
    assert not versions


def test_the_newer_of_many_in_their_order() -> None:
    versions = Versions({"A": 5, "B": 5})
    assert versions.newer_among([("C", 1), ("B", 6), ("A", 5), ("D", 0)]) == ["C", "B"]


def test_limited_to_some_keys_the_newer_version_of_each_counts() -> None:
    versions = Versions({"A": 5, "B": 5, "C": 5}).limited_to({"A": 4, "B": 6, "D": 0})
    assert versions == {"A": 5, "B": 6, "D": 0}
    assert versions.advance("D", 1)
