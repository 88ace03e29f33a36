"""Envoy's ``x-forwarded-client-cert``, and what a client can do to it."""

import hashlib
from itertools import count

import pytest

from mutua.errors import MalformedForward
from mutua.inbound.forwarded.certificate import ForwardedCertificate
from mutua.inbound.forwarded.xfcc import MAX_PAIRS, Xfcc
from tests.inbound.forwarded.writing import ISSUER, LEAF, OTHER_LEAF, ROOT, element, escaped

ONE, APPENDED = Xfcc(), Xfcc(append=True)
HASH, OTHER_HASH = (hashlib.sha256(each).hexdigest().encode() for each in (LEAF, OTHER_LEAF))
CERT, OTHER_CERT = (b'Cert="%b"' % escaped(each) for each in (LEAF, OTHER_LEAF))
VICTIM = b"Hash=" + OTHER_HASH + b";" + OTHER_CERT
MINE = b"Hash=" + HASH + b";" + CERT


def read(value: bytes, dialect: Xfcc = ONE) -> ForwardedCertificate | None:
    return dialect.read({"x-forwarded-client-cert": [value]})


def refused(value: bytes, dialect: Xfcc = ONE) -> MalformedForward:
    with pytest.raises(MalformedForward) as caught:
        read(value, dialect)
    return caught.value


@pytest.mark.parametrize(
    "value",
    [
        MINE,
        CERT,
        CERT + b";Hash=" + HASH,
        b"hash=" + HASH + b";cERT" + CERT[4:],
        b"By=spiffe://a.example/a;By=spiffe://a.example/b;" + MINE,
        b"By=urn:x:principal(a)=b;" + MINE,
        MINE + b';Subject=""',
        MINE + b";URI=",
        MINE + b";URI=spiffe://a.example/a;URI=spiffe://a.example/b;DNS=a.example;DNS=b.example",
        MINE + b';Subject="CN=a,O=b;c=d"',
        MINE + rb';Subject="CN=a\"b"',
        MINE + rb';Subject="CN=a\\"',
        MINE + rb';Subject="CN=\",Hash=0,\";Cert=\"x"',
    ],
    ids=count(),
)
def test_what_envoy_writes_is_read(value: bytes) -> None:
    assert read(value) == read(value, APPENDED) == ForwardedCertificate(LEAF)


def test_the_chain_begins_with_the_leaf_and_gives_the_rest() -> None:
    chain = b'Chain="%b"' % escaped(LEAF, ISSUER, ROOT)
    whole = ForwardedCertificate(LEAF, (ISSUER, ROOT))
    assert read(MINE + b";" + chain) == read(b"Hash=" + HASH + b";" + chain) == read(chain) == whole
    assert read(b'Chain="%b"' % escaped(LEAF)) == ForwardedCertificate(LEAF)
    refused(VICTIM + b";" + chain)
    refused(b"Hash=" + OTHER_HASH + b";" + chain)
    refused(MINE + b';Chain="%b"' % escaped(ISSUER, LEAF))
    refused(MINE + b';Chain=""')


def test_a_hash_alone_says_what_to_set() -> None:
    for value in (b"Hash=" + HASH, b"Hash=" + HASH + b';Subject="CN=woovi";URI=', b"By=a", b"DNS=a"):
        assert "cert: true" in refused(value).hint


@pytest.mark.parametrize(
    "hash_",
    [OTHER_HASH, HASH.upper(), HASH[:-1], HASH + b"0", b"", b":".join([HASH[:2], HASH[2:]]), b"sha256:" + HASH],
    ids=count(),
)
def test_the_hash_is_that_of_the_certificate(hash_: bytes) -> None:
    assert "Hash" in refused(b"Hash=" + hash_ + b";" + CERT).message


@pytest.mark.parametrize(
    "value",
    [
        CERT + b";" + OTHER_CERT,
        CERT + b";" + CERT,
        CERT + b";cert" + OTHER_CERT[4:],
        MINE + b";Hash=" + HASH,
        MINE + b";hash=" + OTHER_HASH,
        MINE + b';Subject="";Subject=""',
        MINE + b';Chain="%b";Chain="%b"' % (escaped(LEAF), escaped(LEAF)),
        MINE + b";Issuer=a",
        MINE + b";",
        b";" + MINE,
        MINE + b";;DNS=a",
        MINE + b",",
        b"," + MINE,
        MINE + b"; DNS=a",
        MINE + b" ;DNS=a",
        MINE + b";DNS =a",
        MINE + b";DNS",
        MINE + b";=a",
        MINE + b';URI="a',
        MINE + b';URI=a"',
        MINE + b';URI="a"b',
        MINE + b';URI="a\\',
        MINE + b';URI="a\\"',
        MINE + b";URI=a b",
        CERT.replace(b'"', b""),
        CERT.replace(b'"', b"'"),
        b'Cert="' + CERT[6:].replace(b"-", b"\\-", 1),
        b'Cert="%b"' % escaped(LEAF, ISSUER),
        b'Cert=""',
        b"Cert=",
        b'[{"Cert":"x"}]',
        b"Cert",
    ],
    ids=count(),
)
def test_what_envoy_does_not_write_is_refused(value: bytes) -> None:
    refused(value)
    refused(value, APPENDED)


def test_a_certificate_of_many_names_is_read_and_of_too_many_refused() -> None:
    assert read(MINE + b";DNS=a.example" * (MAX_PAIRS - 2)) == ForwardedCertificate(LEAF)
    refused(MINE + b";DNS=a.example" * (MAX_PAIRS - 1))
    refused(b"By=a," * MAX_PAIRS + MINE, APPENDED)


def test_of_several_elements_none_counts_unless_envoy_appends() -> None:
    value = VICTIM + b"," + MINE
    assert "SANITIZE_SET" in refused(value).hint
    assert read(value, APPENDED) == read(VICTIM + b"," + value, APPENDED) == ForwardedCertificate(LEAF)
    assert read(element(LEAF, ISSUER)) == ForwardedCertificate(LEAF, (ISSUER,))


def test_the_last_element_must_be_whole_whatever_stands_before() -> None:
    assert "cert: true" in refused(VICTIM + b",Hash=" + HASH, APPENDED).hint
    refused(VICTIM + b",", APPENDED)
    refused(VICTIM + b",Hash=" + HASH + b";" + OTHER_CERT, APPENDED)


def test_a_client_whose_uri_has_pairs_in_it_becomes_nobody_else() -> None:
    """Envoy writes URI and DNS as they stand in the certificate, behind its own pairs."""
    for key in (b"URI", b"DNS"):
        start = MINE + b";" + key + b"=spiffe://a.example/a"
        for forged in (VICTIM, OTHER_CERT, b"Hash=" + OTHER_HASH):
            refused(start + b";" + forged)
            refused(start + b";" + forged, APPENDED)
            refused(start + b"," + forged)
            refused(start + b"," + forged, APPENDED)
        assert "uri and dns" in refused(start + b"," + VICTIM, APPENDED).hint
        assert read(VICTIM + b"," + start, APPENDED) == ForwardedCertificate(LEAF)


@pytest.mark.parametrize(
    "own",
    [b'A="', b'By="', b'URI="a', b"By=\\", b'Subject="CN=a\\', b'Subject="\\"', VICTIM + b';Subject="', b'"', b'By=""'],
    ids=count(),
)
def test_a_client_whose_own_header_opens_a_quote_becomes_nobody_else(own: bytes) -> None:
    """Under APPEND_FORWARD what the client sent stands before Envoy's own element."""
    try:
        found = read(own + b"," + MINE, APPENDED)
    except MalformedForward:
        return
    assert found == ForwardedCertificate(LEAF)
