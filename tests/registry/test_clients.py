"""Names of clients."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mutua.errors import InvalidClientName
from mutua.registry.clients import accepted_client_name


@pytest.mark.parametrize("name", ["a", "7", "woovi", "acme-pay", "a--b", "a" * 63, "1-2"])
def test_a_name_is_taken_as_it_is(name: str) -> None:
    assert accepted_client_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "-a", "a-", "-", "A", "a_b", "a.b", "a b", "a\n", "olá", "a" * 64, "a/b", "٣", "é", "../a", "a\x00"]
)
def test_anything_else_is_refused(name: str) -> None:
    with pytest.raises(InvalidClientName):
        accepted_client_name(name)


@given(text=st.text(max_size=70))
def test_no_name_goes_beyond_small_letters_digits_and_inner_hyphens(text: str) -> None:
    try:
        name = accepted_client_name(text)
    except InvalidClientName:
        return
    assert 1 <= len(name) <= 63
    assert set(name) <= set(string.ascii_lowercase + string.digits + "-")
    assert not name.startswith("-")
    assert not name.endswith("-")
