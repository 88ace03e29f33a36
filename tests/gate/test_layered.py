"""A layered mapping is what a dictionary would be after the same changes, and never changes itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mutua.gate import layered
from mutua.gate.layered import Layered

KEYS = st.integers(0, 12)
CHANGES = st.dictionaries(KEYS, st.none() | st.text(max_size=2), max_size=6)


@given(base=st.dictionaries(KEYS, st.text(max_size=2)), history=st.lists(CHANGES, max_size=8), least=st.integers(0, 9))
def test_it_is_what_a_dictionary_would_be(
    base: dict[int, str], history: list[dict[int, str | None]], least: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layered, "LEAST_FOLDED", least)
        mapping, model = Layered(dict(base)), dict(base)
        for changes in history:
            before, said = mapping, dict(mapping)
            mapping = mapping.with_changes(changes)
            for key, value in changes.items():
                if value is None:
                    model.pop(key, None)
                else:
                    model[key] = value
            assert dict(mapping) == model
            assert len(mapping) == len(model)
            assert dict(before) == said
            for key in range(13):
                assert (key in mapping, mapping.get(key, "none")) == (key in model, model.get(key, "none"))


def test_what_is_not_there_raises() -> None:
    mapping = Layered({1: "a", 2: "b"}).with_changes({1: None})
    for key in (1, 3):
        with pytest.raises(KeyError):
            mapping[key]


def test_a_change_copies_the_changes_alone_until_there_are_many() -> None:
    base = dict.fromkeys(range(100000), "")
    mapping = Layered(base)
    for number in range(layered.LEAST_FOLDED):
        mapping = mapping.with_changes({-number: "new"}) if number < 3 else mapping
    assert mapping._base is base
    mapping = mapping.with_changes(dict.fromkeys(range(layered.LEAST_FOLDED + 1)))
    assert mapping._base is not base
    assert not mapping._changes
    assert len(base) == 100_000
