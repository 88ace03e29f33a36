"""Which CA signs, also when it changes between the signature and the commit; and what one bad order does to others."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

from mutua import Home, Identity
from mutua.ca.hierarchy import Purpose
from mutua.errors import InvalidName, MutuaError, RefusedRequest, UnknownAuthority, UnknownClient
from mutua.home.issuing import Issued, Issuing, Order
from mutua.pki.names import DnsName, parse_name
from mutua.pki.profiles import CLIENT, OCSP, SERVER
from tests.clock import Clock
from tests.home.tables import tables
from tests.pki.hierarchy import key_of, make_issuing_ca, make_root

PUBLIC_KEY = key_of("end entity").public_key()


def order(name: str = "woovi", **facts: Any) -> Order:
    facts = {"profile": CLIENT, "client": "woovi", **facts}
    return Order(names=[parse_name(name)], public_key=PUBLIC_KEY, **facts)


def server(name: str = "api.acme.example", **facts: Any) -> Order:
    return order(name, **{"profile": SERVER, "client": None, **facts})


@pytest.fixture
def issuing(home: Home) -> Issuing:
    return home.authority.issuing


@pytest.fixture
def other(home: Home) -> Any:
    """Another process at the same home."""
    with Home.open(home.path, actor="other") as opened:
        yield opened


def authorities(issued: Sequence[Issued]) -> list[str]:
    assert [each.error for each in issued] == [None] * len(issued)
    return [each.record.authority for each in issued]


def test_a_ca_rotated_between_signature_and_commit_is_followed_by_its_successor(
    home: Home, issuing: Issuing, other: Home
) -> None:
    signed = issuing.sign([order(), server()])
    assert authorities(signed) == ["issuing-1", "issuing-1"]
    other.hierarchy.rotate()
    issued = issuing.commit(signed)
    assert authorities(issued) == ["issuing-2", "issuing-2"]
    for each in issued:
        each.certificate.verify_directly_issued_by(each.chain[1])
        assert home.authority.certificate(each.record.thumbprint).authority == "issuing-2"
    inventory = {each.thumbprint for each in home.authority.certificates()}
    assert not inventory & {each.record.thumbprint for each in signed if each not in issued}


def test_it_is_followed_through_several_rotations_in_turn(issuing: Issuing, other: Home) -> None:
    for number in (2, 3, 4):
        signed = issuing.sign([order()])
        other.hierarchy.rotate()
        assert authorities(issuing.commit(signed)) == [f"issuing-{number}"]


def test_who_named_the_ca_that_was_rotated_is_told_and_nobody_else(home: Home, issuing: Issuing, other: Home) -> None:
    signed = issuing.sign([order(authority="issuing-1"), order(), order(authority="issuing-1")])
    other.hierarchy.rotate()
    first, second, third = issuing.commit(signed)
    assert (type(first.error), second.error, type(third.error)) == (UnknownAuthority, None, UnknownAuthority)
    assert home.authority.certificate(second.record.thumbprint).authority == "issuing-2"
    assert len(list(home.authority.certificates(client="woovi"))) == 2


def test_a_ca_that_another_process_has_added_is_found_by_name_and_by_purpose(issuing: Issuing, other: Home) -> None:
    assert authorities(issuing.issue([order()])) == ["issuing-1"]
    other.hierarchy.add("partners", purpose=Purpose.CLIENT)
    assert authorities(issuing.issue([order(authority="partners")])) == ["partners"]
    assert authorities(issuing.issue([order(), server()])) == ["partners", "issuing-1"]


def test_a_ca_that_was_taken_in_signs_where_it_is_named(issuing: Issuing, other: Home) -> None:
    ca = make_issuing_ca(make_root(organization="Elsewhere"))
    other.hierarchy.take_in("legacy", Identity(ca.key, (ca.certificate,)))
    assert authorities(issuing.issue([order(authority="legacy"), order()])) == ["legacy", "issuing-1"]


@pytest.mark.parametrize("purpose", [Purpose.CLIENT, Purpose.ANY])
def test_a_ca_for_some_names_signs_those_and_only_where_it_is_named(
    home: Home, issuing: Issuing, purpose: Purpose
) -> None:
    home.hierarchy.add("partner-acme", purpose=purpose, names=["acme.example"])
    assert authorities(issuing.issue([order()])) == ["issuing-1"]
    assert authorities(issuing.issue([order("pay.acme.example", authority="partner-acme")])) == ["partner-acme"]
    before = tables(home)
    for name in ("woovi", "acme.example.evil.example", "evilacme.example"):
        with pytest.raises(InvalidName, match="may not certify"):
            issuing.issue([order(name, authority="partner-acme")])
    assert tables(home) == before


def test_one_bad_order_among_many_is_only_its_own(home: Home, issuing: Issuing) -> None:
    home.clients.add("bank")

    def refuse(_connection: object, _record: object) -> None:
        raise RefusedRequest(("not today",), hint="come tomorrow")

    orders = [order(), order("nobody", client="nobody"), order(check=refuse), order("bank", client="bank")]
    issued = issuing.issue(orders)
    assert [type(each.error) for each in issued] == [type(None), UnknownClient, RefusedRequest, type(None)]
    found = {each.thumbprint for each in home.authority.certificates()}
    assert [each.record.thumbprint in found for each in issued] == [True, False, False, True]
    assert home.audit.verify() == sum(1 for _ in home.audit.after(0))


def test_certificates_are_numbered_as_their_events(home: Home, issuing: Issuing) -> None:
    issued = issuing.issue([order(), order(client="nobody"), server()])
    told = {event.subject: event.id for event in home.audit.after(0) if event.kind == "certificate.issued"}
    for each in (issued[0], issued[2]):
        assert home.authority.certificate(each.record.thumbprint).id == told[each.record.thumbprint]


def test_a_superseded_ca_signs_its_responder_and_nothing_else(home: Home, issuing: Issuing) -> None:
    home.hierarchy.rotate("issuing-1")
    responder = Order(profile=OCSP, names=(), public_key=PUBLIC_KEY, common_name="OCSP", authority="issuing-1")
    assert authorities(issuing.issue([responder])) == ["issuing-1"]
    with pytest.raises(UnknownAuthority, match="no CA 'issuing-1' that signs"):
        issuing.issue([order(authority="issuing-1")])
    home.hierarchy.retire("issuing-1", force=True)
    with pytest.raises(UnknownAuthority):
        issuing.issue([responder])


def test_nothing_outlives_the_ca_and_an_expired_one_signs_nothing(home: Home, issuing: Issuing, clock: Clock) -> None:
    ends = home.hierarchy.issuing.certificate.not_valid_after_utc
    clock.move(ends - clock.now() - timedelta(days=1))
    (issued,) = issuing.issue([server(lifetime=timedelta(days=90))])
    assert issued.certificate.not_valid_after_utc == ends
    clock.move(timedelta(days=2))
    before = tables(home)
    with pytest.raises(MutuaError, match="expired"):
        issuing.issue([server()])
    assert tables(home) == before


def test_serials_are_positive_and_never_the_same(issuing: Issuing) -> None:
    issued = issuing.issue([order() for _ in range(500)])
    serials = {each.certificate.serial_number for each in issued}
    assert len(serials) == 500
    assert all(0 < each < 1 << 128 for each in serials)


def test_a_certificate_says_where_its_state_is_published(home: Home, issuing: Issuing) -> None:
    (silent,) = issuing.issue([order()])
    with pytest.raises(x509.ExtensionNotFound):
        silent.certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints)
    with (home.path / "mutua.toml").open("a") as settings:
        settings.write('revocation_url = "http://pki.acme.example/base/"\ncrl_shards = 7\n')
    with Home.open(home.path) as published:
        (told,) = published.authority.issuing.issue([order()])
    shard = told.certificate.serial_number % 7 + 1
    (point,) = told.certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert point.full_name is not None
    assert [each.value for each in point.full_name] == [f"http://pki.acme.example/base/crl/issuing-1/{shard}.crl"]
    assert home.authority.certificate(told.record.thumbprint).shard == shard
    accesses = told.certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    assert {each.access_location.value for each in accesses} == {
        "http://pki.acme.example/base/ocsp",
        "http://pki.acme.example/base/ca/issuing-1.crt",
    }


def test_a_name_is_certified_once(issuing: Issuing) -> None:
    (issued,) = issuing.issue([Order(profile=SERVER, names=[DnsName("a.example")] * 3, public_key=PUBLIC_KEY)])
    assert issued.record.names == ("a.example",)
