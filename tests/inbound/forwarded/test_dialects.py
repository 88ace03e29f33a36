"""What holds for every dialect."""

from collections.abc import Callable
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mutua.errors import InvalidSettings, MalformedForward
from mutua.inbound.forwarded.alb import Alb
from mutua.inbound.forwarded.apache import Apache
from mutua.inbound.forwarded.certificate import MAX_DER_BYTES, ForwardedCertificate
from mutua.inbound.forwarded.dialects import DIALECTS
from mutua.inbound.forwarded.fields import MAX_FIELD_BYTES
from mutua.inbound.forwarded.haproxy import HaProxy
from mutua.inbound.forwarded.nginx import Nginx
from mutua.pki.chains import MAX_DEPTH, MAX_GIVEN
from mutua.pki.der import SEQUENCE, SET, encode
from tests.inbound.forwarded.writing import CASES, ISSUER, LEAF, OTHER_LEAF, ROOT, Case, Lines
from tests.pki.mutations import foreign

SEQUENCES = st.binary(max_size=400).map(lambda content: encode(SEQUENCE, content))
BOUNDED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def refused(case: Case, lines: Lines) -> MalformedForward:
    with pytest.raises(MalformedForward) as caught:
        case.dialect.read(lines)
    assert "\n" not in caught.value.message
    assert caught.value.hint
    return caught.value


def changed(case: Case, change: Callable[[bytes], bytes]) -> Lines:
    """What the proxy writes, the value with the leaf changed."""
    lines = case.write(LEAF)
    return lines | {case.main: [change(lines[case.main][0])]}


def test_dialects_go_by_their_names() -> None:
    assert list(DIALECTS) == ["rfc9440", "xfcc", "nginx", "alb", "traefik", "haproxy", "apache"]
    for name, made in DIALECTS.items():
        assert made().name == name
        assert all(header == header.lower() for header in made().headers)


@pytest.mark.parametrize("chain", [(), (ISSUER,), (ISSUER, ROOT)], ids=len)
def test_what_the_proxy_writes_is_read(case: Case, chain: tuple[bytes, ...]) -> None:
    for leaf in (LEAF, OTHER_LEAF):
        sent = chain if case.carries_chain else ()
        assert case.dialect.read(case.write(leaf, *chain)) == ForwardedCertificate(leaf, sent)


@pytest.mark.parametrize("name", CASES)
@given(leaf=SEQUENCES, chain=st.lists(SEQUENCES, max_size=MAX_DEPTH - 1))
@BOUNDED
def test_any_leaf_and_chain_come_back_as_they_were(name: str, leaf: bytes, chain: list[bytes]) -> None:
    case = CASES[name]
    sent = tuple(chain) if case.carries_chain else ()
    assert case.dialect.read(case.write(leaf, *chain)) == ForwardedCertificate(leaf, sent)


@pytest.mark.parametrize("name", CASES)
@given(data=st.data())
@BOUNDED
def test_arbitrary_headers_raise_nothing_else(name: str, data: st.DataObject) -> None:
    case = CASES[name]
    valid = [line for lines in (case.write(LEAF), case.write(LEAF, ISSUER)) for each in lines.values() for line in each]
    values = {
        header: data.draw(st.lists(st.one_of(foreign(valid), st.sampled_from(valid)), max_size=2))
        for header in case.dialect.headers[:3]
    }
    try:
        found = case.dialect.read(values)
    except MalformedForward:
        return
    assert found is None or isinstance(found, ForwardedCertificate)


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith(("alb", "xfcc"))])
@given(data=st.data())
@BOUNDED
def test_a_certificate_has_one_spelling(name: str, data: st.DataObject) -> None:
    """Whatever is read is what the proxy writes for it, to the byte. AWS leaves a choice, and XFCC has much besides."""
    case = CASES[name]
    written = case.write(LEAF, ISSUER)
    value = data.draw(foreign(written[case.main]))
    try:
        found = case.dialect.read(written | {case.main: [value]})
    except MalformedForward:
        return
    if found is not None:
        assert case.write(found.leaf, *found.chain)[case.main][0].rstrip(b" ") == value.rstrip(b" ")


def test_no_certificate_is_none(case: Case) -> None:
    for lines in case.none:
        assert case.dialect.read(lines) is None
    assert case.dialect.read({name: [] for name in case.dialect.headers}) is None
    assert case.dialect.read({case.main: [b""]}) is None


def test_other_headers_are_passed_over(case: Case) -> None:
    others = {"x-forwarded-for": [b"\xff" * MAX_FIELD_BYTES], "cookie": [b"a", b"b"]}
    assert case.dialect.read(case.write(LEAF) | others) == ForwardedCertificate(LEAF)


def test_a_doubled_header_is_refused(case: Case) -> None:
    lines = case.write(LEAF)
    for second in (lines[case.main][0], case.write(OTHER_LEAF)[case.main][0], b"", b"(null)"):
        refused(case, lines | {case.main: [second, lines[case.main][0]]})
        refused(case, lines | {case.main: [lines[case.main][0], second]})
    refused(case, {case.main: [b"", b""]})


@pytest.mark.parametrize("separator", [b", ", b" , ", b"; ", b" ", b"\n"])
def test_two_values_in_one_line_are_refused(case: Case, separator: bytes) -> None:
    other = case.write(OTHER_LEAF)[case.main][0]
    refused(case, changed(case, lambda value: other + separator + value))


@pytest.mark.parametrize("byte", [b"\0", b"\r", b"\n", b"\r\n ", b"\t", b"\x7f", b"\x80", b"\xff", "é".encode()])
def test_bytes_that_are_not_printable_ascii_are_refused(case: Case, byte: bytes) -> None:
    for header in case.write(LEAF, ISSUER):
        (value,) = case.write(LEAF, ISSUER)[header]
        for place in (0, 1, len(value) // 2, len(value)):
            refused(case, case.write(LEAF, ISSUER) | {header: [value[:place] + byte + value[place:]]})
        refused(case, case.write(LEAF, ISSUER) | {header: [byte]})


def test_spaces_around_and_inside_are_refused(case: Case) -> None:
    refused(case, changed(case, lambda value: b" " + value))
    refused(case, changed(case, lambda value: value + b"  "))
    refused(case, changed(case, lambda value: value[:100] + b" " + value[100:]))
    refused(case, {case.main: [b" "]})


@pytest.mark.parametrize("size", [1, 10, 50, 200, 400])
def test_a_value_cut_short_is_refused(case: Case, size: int) -> None:
    refused(case, changed(case, lambda value: value[:size]))
    refused(case, changed(case, lambda value: value[size:]))
    if not case.main.startswith("x-forwarded-client"):  # XFCC ends with what says nothing of the certificate
        refused(case, changed(case, lambda value: value.rstrip(b" ")[:-size]))


@pytest.mark.parametrize(
    "der",
    [
        LEAF + b"\0",
        LEAF + ISSUER,
        LEAF[:-1],
        encode(SET, b"content"),
        b"\x30\x80\x05\x00\x00\x00",
        b"\x30\x81\x03\x02\x01\x00",
        b"\x30\x82\x00\x03\x02\x01\x00",
        b"\x30",
        b"\x00",
        b"\x1f\x30\x00",
        encode(SEQUENCE, bytes(MAX_DER_BYTES)),
    ],
    ids=count(),
)
def test_what_is_not_one_der_sequence_is_refused(case: Case, der: bytes) -> None:
    refused(case, case.write(der))
    if case.carries_chain and der != LEAF + ISSUER:
        refused(case, case.write(LEAF, der))


def test_the_largest_certificate_is_read(case: Case) -> None:
    largest = encode(SEQUENCE, bytes(MAX_DER_BYTES - 4))
    assert len(largest) == MAX_DER_BYTES
    if case.dialect.name != "xfcc":  # it would be there twice, in Cert and in Chain
        assert case.dialect.read(case.write(largest)) == ForwardedCertificate(largest)


def test_too_many_bytes_are_refused(case: Case) -> None:
    assert "65536" in refused(case, {case.main: [b"A" * MAX_FIELD_BYTES]}).message
    refused(case, {case.main: [b""] * MAX_FIELD_BYTES})


@pytest.mark.parametrize(
    "piece", [b"a=;", b"a=,", b'a="', b"\\a", b'"', b"%0A", b"%", b"A", b"AAA=,", b" ", b" ,", b":", b"::,", b"-----"]
)
def test_a_long_value_of_one_piece_is_refused(case: Case, piece: bytes) -> None:
    """In time that grows with its length alone: with its square it would be a second and more."""
    for header in case.dialect.headers[:2]:
        for start in (b"", b'a="'):
            refused(case, case.write(LEAF) | {header: [start + piece * ((MAX_FIELD_BYTES - 4096) // len(piece))]})


def test_a_chain_of_too_many_is_refused(case: Case) -> None:
    if case.carries_chain and case.dialect.name != "apache":
        small = encode(SEQUENCE, b"")
        read = case.dialect.read(case.write(small, *[small] * MAX_GIVEN)) if case.dialect.name != "xfcc" else None
        assert read is None or len(read.chain) == MAX_GIVEN
        for more in (1, 2, 10, 300):
            refused(case, case.write(small, *[small] * (MAX_GIVEN + more)))


@pytest.mark.parametrize("by", CASES)
def test_what_another_proxy_writes_is_refused(case: Case, by: str) -> None:
    """But for those that write the same, such as base64 of DER."""
    (value,) = CASES[by].write(LEAF)[CASES[by].main]
    (own,) = case.write(LEAF)[case.main]
    if value != own and (by, case.main) not in {
        ("old traefik", "x-forwarded-tls-client-cert"),
        ("traefik", "x-forwarded-tls-client-cert"),
        ("haproxy", "x-forwarded-tls-client-cert"),
        ("nginx", "x-amzn-mtls-clientcert"),
        ("nginx", "x-amzn-mtls-clientcert-leaf"),
    }:
        refused(case, case.write(LEAF) | {case.main: [value]})


@pytest.mark.parametrize("name", ["", "X-Ssl", "a b", "a:b", "ä", "a\n", "a" * 129])
def test_a_name_that_no_header_has_is_refused(name: str) -> None:
    for made in (lambda: Nginx(name), lambda: HaProxy(chain=name), lambda: Apache(name), lambda: Alb(leaf=name)):
        with pytest.raises(InvalidSettings):
            made()


def test_two_headers_of_one_name_are_refused() -> None:
    for made in (
        lambda: Nginx("a", "a"),
        lambda: HaProxy("a", "a"),
        lambda: Apache("a0", "a"),
        lambda: Alb(chain="x-amzn-mtls-clientcert-leaf"),
    ):
        with pytest.raises(InvalidSettings):
            made()


def test_certificates_are_not_in_the_representation() -> None:
    assert repr(ForwardedCertificate(LEAF, (ISSUER,))) == "ForwardedCertificate()"
