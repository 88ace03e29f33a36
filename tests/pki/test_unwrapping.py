"""Unwrapping: what happens to PEM and DER on their way is undone, and what is neither is said or left as it is."""

import base64
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mutua.errors import MutuaError, UnreadableContents
from mutua.pki.certificates import write_der
from mutua.pki.unwrapping import MAX_UNWRAPPED_BYTES, contents_of_text, may_hold_secrets, unwrapped
from tests.pki.hierarchy import client
from tests.pki.mutations import foreign

WOOVI = client()
PEM = WOOVI.chain_pem() + WOOVI.key_pem()
DER = write_der(WOOVI.certificate)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_text_in_any_encoding_of_windows_comes_out_as_it_was(encoding: str) -> None:
    assert unwrapped(PEM.decode().encode(encoding)) == PEM
    assert unwrapped(("Olá\r\n" + PEM.decode()).encode(encoding)) == "Olá\r\n".encode() + PEM


@pytest.mark.parametrize("data", [PEM, DER], ids=["pem", "der"])
def test_base64_of_a_file_is_the_file(data: bytes) -> None:
    for wrapped in (base64.b64encode(data), base64.encodebytes(data), base64.encodebytes(data).replace(b"\n", b"\r\n")):
        assert unwrapped(wrapped) == data
        assert contents_of_text(wrapped.decode()) == data
    assert unwrapped(base64.b64encode(data).decode().encode("utf-16")) == data


@pytest.mark.parametrize("end", ["\\n", "\\r\\n"])
def test_ends_of_lines_in_escapes_are_ends_of_lines(end: str) -> None:
    assert unwrapped(PEM.decode().replace("\n", end).encode()) == PEM


def test_der_is_not_searched_for_text() -> None:
    held = bytes.fromhex("3082") + (len(PEM) + 4).to_bytes(2) + bytes.fromhex("0482") + len(PEM).to_bytes(2) + PEM
    assert unwrapped(held) == held


@pytest.mark.parametrize(
    "data", [b"junk", b"\x30\x80junk", b"\x00" * 50, b"AAAA" * 20], ids=["junk", "ber", "nul", "a"]
)
def test_what_is_none_of_these_is_left_as_it_is(data: bytes) -> None:
    assert unwrapped(data) == data


def test_what_is_very_large_is_left_as_it_is() -> None:
    large = b"A" * (MAX_UNWRAPPED_BYTES + 4)
    assert unwrapped(large) is large


def test_half_of_a_character_is_damage() -> None:
    with pytest.raises(UnreadableContents, match="begins as UTF-16-LE"):
        unwrapped(PEM.decode().encode("utf-16-le") + b"x")


@settings(max_examples=300, deadline=None)
@given(foreign([PEM, PEM.decode().encode("utf-16"), base64.b64encode(DER), PEM.replace(b"\n", b"\\n")]))
def test_only_errors_of_ours_come_out(data: bytes) -> None:
    with suppress(MutuaError):
        assert len(unwrapped(data)) <= 2 * len(data)


@settings(max_examples=300, deadline=None)
@given(st.text() | st.text("MIABCab/+= \n", max_size=200))
def test_of_any_text_it_is_said_whether_it_is_contents(text: str) -> None:
    found = contents_of_text(text)
    assert found is None or found
    assert isinstance(may_hold_secrets(text), bool)


# A path is a path


@pytest.mark.parametrize(
    "path",
    [
        "bank.pem",
        "MIIB",
        "M" * 64,
        "Marketing/projects/openfinance/certificates/production/current/bank/client",
        "MII/" * 16,
        "/etc/ssl/private/" + "M" * 100,
        "-----BEGIN",
        "",
    ],
    ids=range(8),
)
def test_a_path_is_not_taken_for_contents(path: str) -> None:
    assert contents_of_text(path) is None


@pytest.mark.parametrize("path", ["bank.pem", "a/b/c.p12", "MIIB", "x" * 255, "Müller & Söhne.pfx", "c/" + "3f" * 32])
def test_a_path_may_be_told(path: str) -> None:
    assert not may_hold_secrets(path)


def test_a_damaged_key_may_not() -> None:
    whole = WOOVI.key_pem().decode()
    body = "".join(whole.splitlines()[1:-1])
    for damaged in (whole.replace("-----BEGIN ", "--BEGIN "), body[:-8], body[:-8] + "=="):
        assert contents_of_text(damaged) is None
        assert may_hold_secrets(damaged)


def test_a_key_in_base64_alone_is_contents() -> None:
    body = "".join(WOOVI.key_pem().decode().splitlines()[1:-1])
    assert contents_of_text(body) == base64.b64decode(body)
