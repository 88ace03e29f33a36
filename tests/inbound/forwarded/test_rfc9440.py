"""``Client-Cert`` and ``Client-Cert-Chain`` (RFC 9440) against the grammar of structured fields (RFC 9651)."""

from itertools import count
from pathlib import Path

import pytest

from mutua.errors import MalformedForward
from mutua.inbound.forwarded.certificate import ForwardedCertificate
from mutua.inbound.forwarded.rfc9440 import Rfc9440
from tests.inbound.forwarded.writing import ISSUER, LEAF, ROOT, b64, rfc9440

EXAMPLE = (Path(__file__).parents[2] / "pki/vectors/rfc9440_leaf.der").read_bytes()
DIALECT = Rfc9440()
LEAF64, ISSUER64, ROOT64 = map(b64, (LEAF, ISSUER, ROOT))
ITEM = b":" + LEAF64 + b":"


def test_the_example_of_the_rfc_is_read() -> None:
    """Appendix A, figure 2, begins and ends so."""
    (value,) = rfc9440(EXAMPLE)["client-cert"]
    assert value.startswith(b":MIIBqDCCAU6gAwIBAgIBBzAKBggqhkjOPQQDAjA6MRswGQYDVQQKDBJMZXQ")
    assert DIALECT.read({"client-cert": [value]}) == ForwardedCertificate(EXAMPLE)


@pytest.mark.parametrize(
    "lines",
    [
        [b":" + ISSUER64 + b":, :" + ROOT64 + b":"],
        [b":" + ISSUER64 + b":,:" + ROOT64 + b":"],
        [b":" + ISSUER64 + b":  ,  :" + ROOT64 + b":"],
        [b":" + ISSUER64 + b":", b":" + ROOT64 + b":"],
    ],
    ids=count(),
)
def test_a_chain_may_be_split_over_lines(lines: list[bytes]) -> None:
    found = DIALECT.read({"client-cert": [ITEM], "client-cert-chain": lines})
    assert found == ForwardedCertificate(LEAF, (ISSUER, ROOT))


def test_an_empty_chain_is_none() -> None:
    assert DIALECT.read({"client-cert": [ITEM], "client-cert-chain": [b""]}) == ForwardedCertificate(LEAF)


@pytest.mark.parametrize(
    "item",
    [
        LEAF64,
        b":" + LEAF64,
        LEAF64 + b":",
        b"::",
        b":",
        b"::" + LEAF64 + b"::",
        ITEM + b";a",
        ITEM + b";a=1",
        ITEM + b"; a=?1",
        ITEM + b"," + ITEM,
        b'"' + LEAF64 + b'"',
        b"(" + ITEM + b")",
        b"*" + LEAF64 + b"*",
        b"?1",
        b"42",
        b"token",
        b": " + LEAF64 + b":",
        b":" + LEAF64 + b" :",
        b":" + LEAF64[:64] + b" " + LEAF64[64:] + b":",
        b":" + b64(LEAF + b"\0") + b":",
        b":" + LEAF64 + b"=:",
        b":" + LEAF64 + b"====:",
        b":=" + LEAF64 + b":",
        b":" + LEAF64[:63] + b"-" + LEAF64[64:] + b":",
        b":" + LEAF64[:63] + b"_" + LEAF64[64:] + b":",
        b":" + LEAF64[:63] + b"%2B" + LEAF64[64:] + b":",
    ],
    ids=count(),
)
def test_what_is_not_one_byte_sequence_is_refused(item: bytes) -> None:
    for lines in (
        {"client-cert": [item]},
        {"client-cert": [ITEM], "client-cert-chain": [b":" + ISSUER64 + b":, " + item]},
    ):
        if item == ITEM + b"," + ITEM and "client-cert-chain" in lines:
            continue
        with pytest.raises(MalformedForward):
            DIALECT.read(lines)


@pytest.mark.parametrize("tail", [b"Q=", b"R=", b"=="])
def test_bits_that_no_byte_needs_are_zero(tail: bytes) -> None:
    """Two spellings of one certificate would be two values in a log, and one thumbprint."""
    der = b"\x30\x01A"
    assert DIALECT.read({"client-cert": [b":MAFB:"]}) == ForwardedCertificate(der)
    two = b"\x30\x02AB"
    assert b64(two) == b"MAJBQg=="
    for spelling in (b"MAJBQh==", b"MAJBQg=", b"MAJBQg", b"MAJBQg===", b"MAJB" + tail):
        with pytest.raises(MalformedForward):
            DIALECT.read({"client-cert": [b":" + spelling + b":"]})


@pytest.mark.parametrize(
    "chain", [b",", b":%b:,", b",:%b:", b":%b:,,:%b:", b":%b:\t,:%b:", b"(:%b:)", b":%b: :%b:", b" "]
)
def test_what_is_not_a_list_is_refused(chain: bytes) -> None:
    with pytest.raises(MalformedForward):
        DIALECT.read({"client-cert": [ITEM], "client-cert-chain": [chain.replace(b"%b", ISSUER64)]})


def test_an_empty_line_within_a_list_is_refused() -> None:
    chain = b":" + ISSUER64 + b":"
    for lines in ([b"", chain], [chain, b""], [chain, b"", chain], [b"", b""]):
        with pytest.raises(MalformedForward):
            DIALECT.read({"client-cert": [ITEM], "client-cert-chain": lines})


@pytest.mark.parametrize("certificate", [[], [b""]])
def test_a_chain_is_never_alone(certificate: list[bytes]) -> None:
    with pytest.raises(MalformedForward, match="without client-cert"):
        DIALECT.read({"client-cert": certificate, "client-cert-chain": [b":" + ISSUER64 + b":"]})


def test_an_item_is_not_split_over_lines() -> None:
    with pytest.raises(MalformedForward, match="2 times"):
        DIALECT.read({"client-cert": [ITEM[:300], ITEM[300:]]})
