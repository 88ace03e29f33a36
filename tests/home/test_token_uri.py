"""Where a key in a token is, written and read (RFC 7512)."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mutua.errors import MutuaError, UnreadableKey
from mutua.home.tokens.uri import MAX_URI_CHARACTERS, TokenUri

LABELS = st.text(min_size=1, max_size=40).filter(lambda text: "\0" not in text and text.isprintable())


def test_it_is_written_as_the_rfc_has_it() -> None:
    uri = TokenUri("mutua", "issuing-1", b"\x01\x02")

    assert str(uri) == "pkcs11:token=mutua;object=issuing-1;id=%01%02;type=private"


def test_what_would_end_an_attribute_is_escaped() -> None:
    uri = TokenUri("My token% by Joe; 2?/#", "ação", b";A")

    assert (
        str(uri) == "pkcs11:token=My%20token%25%20by%20Joe%3B%202%3F%2F%23;object=a%C3%A7%C3%A3o;id=%3B%41;type=private"
    )
    assert TokenUri.parse(str(uri)) == uri


@given(LABELS, LABELS, st.binary(min_size=1, max_size=64))
def test_what_is_written_is_read_again(token: str, label: str, identifier: bytes) -> None:
    uri = TokenUri(token, label, identifier)

    assert TokenUri.parse(str(uri)) == uri
    assert str(uri).isascii()


@pytest.mark.parametrize(
    "text",
    [
        "pkcs11:id=%0a%0B;object=root;token=mutua",
        "PKCS11:type=private;token=mutu%61;object=%72oot;id=%0A%0b",
    ],
)
def test_order_case_of_escapes_and_needless_escapes_do_not_matter(text: str) -> None:
    assert TokenUri.parse(text) == TokenUri("mutua", "root", b"\n\v")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pkcs11:",
        "file:///etc/passwd",
        "pkcs11:token=mutua;object=root",
        "pkcs11:token=mutua;id=%01",
        "pkcs11:object=root;id=%01",
        "pkcs11:token=;object=root;id=%01",
        "pkcs11:token=mutua;object=root;id=",
        "pkcs11:token=mutua;token=other;object=root;id=%01",
        "pkcs11:token=mutua;object=root;id=%01;type=public",
        "pkcs11:token=mutua;object=root;id=%01;slot-id=3",
        "pkcs11:token=mutua;object=root;id=%01;",
        "pkcs11:token=mutua;object=root;id=%1",
        "pkcs11:token=mutua;object=root;id=%0g",
        "pkcs11:token=mu tua;object=root;id=%01",
        "pkcs11:token=mutua;object=root;id=\u00e9",
        "pkcs11:token=mutua;object=root;id=\ud800",
        "pkcs11:token=mutua;object=%ff;id=%01",
        "pkcs11:token=mutua;object=ro%00ot;id=%01",
        "pkcs11:token=mutua;object=root;id=" + "%01" * MAX_URI_CHARACTERS,
    ],
)
def test_what_does_not_name_one_private_key_is_refused(text: str) -> None:
    with pytest.raises(UnreadableKey) as refused:
        TokenUri.parse(text)
    assert refused.value.hint


@pytest.mark.parametrize("query", ["pin-value=hunter2", "pin-source=file:hunter2", "module-path=hunter2.so", "hunter2"])
def test_a_pin_in_it_is_refused_and_not_repeated(query: str) -> None:
    with pytest.raises(UnreadableKey) as refused:
        TokenUri.parse(f"pkcs11:token=mutua;object=root;id=%01?{query}")
    assert "hunter2" not in refused.value.message + refused.value.hint


@given(
    st.one_of(
        st.text(max_size=200),
        st.text(alphabet="pkcs11:token=;object=id=%0aF?&type", max_size=80).map("pkcs11:".__add__),
    )
)
def test_anything_else_is_an_error_of_ours(text: str) -> None:
    with suppress(MutuaError):
        TokenUri.parse(text)
