"""A CA that is retired is trusted no more: neither its clients nor those below its CAs get in."""

from datetime import timedelta

import pytest

from mutua import Home, Identity
from mutua.ca.hierarchy import Purpose, draft_root
from mutua.errors import AuthorityInUse
from mutua.home.issuing import Order
from mutua.pki.profiles import OCSP
from mutua.pki.randomness import generate_key, new_serial
from mutua.pki.requests import read_request, write_request
from mutua.pki.statements import write_statement
from mutua.pki.thumbprints import x5t_s256


def refused(home: Home, identity: str = "woovi") -> bool:
    return home.identities.load(identity).thumbprint in home.snapshot().revoked


def test_clients_of_a_superseded_ca_get_in_and_those_of_a_retired_one_do_not(home: Home) -> None:
    home.hierarchy.rotate("issuing-1")
    assert not refused(home)

    home.hierarchy.retire("issuing-1", force=True)
    assert refused(home)

    home.identities.save("woovi", home.authority.issue_client("woovi"), replace=True)
    assert not refused(home)


def test_clients_of_a_ca_below_a_retired_one_do_not_get_in(home: Home) -> None:
    key = generate_key()
    elsewhere = draft_root("Elsewhere", key.public_key(), serial=new_serial(), now=home.now(), path_length=3)
    home.hierarchy.take_in("elsewhere", Identity(key, (elsewhere.sign(key),)))
    home.hierarchy.add("partners", parent="elsewhere", path_length=1)
    home.hierarchy.add("acme", parent="partners")
    home.identities.save("woovi", home.authority.issue_client("woovi", authority="acme"), replace=True)
    home.hierarchy.rotate("partners")
    assert not refused(home)

    home.hierarchy.retire("partners", force=True)
    assert refused(home)


def test_the_responders_of_a_ca_do_not_keep_it_from_being_retired(home: Home) -> None:
    home.hierarchy.add("partners", purpose=Purpose.CLIENT)
    home.hierarchy.rotate("partners")
    responder = Order(
        profile=OCSP, names=(), public_key=generate_key().public_key(), common_name="OCSP", authority="partners"
    )
    (issued,) = home.authority.issuing.issue([responder])
    assert issued.error is None

    assert home.hierarchy.retire("partners").state == "retired"


def test_a_clients_certificate_keeps_its_ca_from_being_retired(home: Home) -> None:
    home.hierarchy.add("partners", purpose=Purpose.CLIENT)
    home.authority.issue_client("woovi", lifetime=timedelta(days=1))
    home.hierarchy.rotate("partners")

    with pytest.raises(AuthorityInUse, match="1 certificates below"):
        home.hierarchy.retire("partners")


def test_clients_of_a_revoked_ca_do_not_get_in(home: Home) -> None:
    home.hierarchy.rotate("issuing-1")
    (ca,) = [each for each in home.authority.certificates(profile="issuing-ca") if "Issuing CA 1" in each.subject]
    home.revocation.revoke(ca.thumbprint, reason="ca_compromise")
    assert refused(home)

    home.identities.save("woovi", home.authority.issue_client("woovi"), replace=True)
    assert not refused(home)


def test_a_servers_certificate_that_was_renewed_keeps_its_ca_no_more(home: Home) -> None:
    home.hierarchy.add("servers", purpose=Purpose.SERVER)
    old = home.authority.issue_server("api.acme.example")
    home.hierarchy.rotate("servers")
    with pytest.raises(AuthorityInUse):
        home.hierarchy.retire("servers")

    request = write_request(old.key, ())
    statement = write_statement(
        old.key,
        old.certificate,
        read_request(request).der,
        now=home.now(),
        audience=x5t_s256(home.hierarchy.get("servers").certificate),
    )
    home.renewal.by_statement(statement)
    assert home.hierarchy.retire("servers").state == "retired"
