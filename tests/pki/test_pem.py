import subprocess
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mutua.errors import UnreadableContents
from mutua.pki.pem import MAX_BLOCKS, looks_like_pem, pem_blocks, write_pem_block
from tests.pki.hierarchy import client

UNTIMED = settings(deadline=None)  # a slow machine is no finding

LABELS = st.from_regex(r"[A-Z0-9]([A-Z0-9 #]{0,20}[A-Z0-9])?", fullmatch=True)


@UNTIMED
@given(st.lists(st.tuples(LABELS, st.binary(max_size=200)), min_size=1, max_size=5))
def test_what_is_written_is_read_whatever_stands_around_it(blocks: list[tuple[str, bytes]]) -> None:
    data = b"text before\r\n".join(write_pem_block(label, der) for label, der in blocks)
    for text in (data, data.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + data, b"-----\n" + data):
        assert [(each.label, each.der) for each in pem_blocks(text)] == blocks
        assert all(not each.headers and pem_blocks(each.encoding)[0].der == each.der for each in pem_blocks(text))
    assert looks_like_pem(data)


def test_blocks_are_written_as_openssl_writes_them(peer: Callable[[str], str]) -> None:
    pem = client().chain_pem()
    assert b"".join(write_pem_block(each.label, each.der) for each in pem_blocks(pem)) == pem
    command = [peer("openssl"), "x509", "-outform", "DER"]
    der = subprocess.run(command, input=pem, capture_output=True, check=True, timeout=60).stdout
    assert pem_blocks(pem)[0].der == der


def test_headers_are_told_and_left_out() -> None:
    head, tail = b"-----BEGIN RSA PRIVATE KEY-----\n", b"-----END RSA PRIVATE KEY-----\n"
    block = head + b"Proc-Type: 4,ENCRYPTED\nDEK-Info: X,00\n\nAAEC\n" + tail
    for text in (block, block.replace(b"\n", b"\r\n")):
        (read,) = pem_blocks(text)
        assert (read.label, read.der, read.headers) == ("RSA PRIVATE KEY", b"\x00\x01\x02", True)


@pytest.mark.parametrize(
    "data",
    [
        b"-----BEGIN CERTIFICATE-----\nAAEC\n",
        b"-----BEGIN CERTIFICATE-----\nAAEC\n-----END PRIVATE KEY-----\n",
        b"-----BEGIN CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\nAA=EC\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\n\xff\xfe\n-----END CERTIFICATE-----\n",
    ],
)
def test_a_damaged_block_is_an_error(data: bytes) -> None:
    with pytest.raises(UnreadableContents, match="'CERTIFICATE'"):
        pem_blocks(data)


def test_what_is_no_block_is_passed_over() -> None:
    assert pem_blocks(b"") == ()
    assert pem_blocks(b"-----END CERTIFICATE-----") == ()
    assert pem_blocks(b"-----BEGIN certificate-----\nAA==\n-----END certificate-----") == ()


def test_blocks_are_counted() -> None:
    block = write_pem_block("CERTIFICATE", b"\x00")
    assert len(pem_blocks(block * MAX_BLOCKS)) == MAX_BLOCKS
    with pytest.raises(UnreadableContents, match="more than"):
        pem_blocks(block * (MAX_BLOCKS + 1))


def test_a_million_beginnings_are_read_in_one_pass() -> None:
    # Looking for the end of each anew would take until the timeout.
    with pytest.raises(UnreadableContents, match="no end"):
        pem_blocks(b"-----BEGIN PRIVATE KEY-----\n" * 1_000_000)
    assert pem_blocks(b"-----END PRIVATE KEY-----\n" * 1_000_000) == ()


@UNTIMED
@given(
    st.lists(
        st.sampled_from(
            [b"-----BEGIN A-----", b"-----END A-----", b"-----BEGIN B-----", b"\n", b"AAEC", b":", b"X: y", b"="]
        ),
        max_size=30,
    ).map(b"".join)
)
def test_foreign_bytes_give_blocks_or_an_error_of_ours(data: bytes) -> None:
    with suppress(UnreadableContents):
        assert all(block.encoding.startswith(b"-----BEGIN ") for block in pem_blocks(data))
