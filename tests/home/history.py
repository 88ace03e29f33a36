"""Homes in which much has happened: one with an event of every kind, and what random histories are made of."""

from dataclasses import replace
from datetime import timedelta

from mutua import Home, Identity
from mutua.ca.hierarchy import Purpose
from mutua.errors import UnreadableRequest
from mutua.pki.certificates import write_der
from mutua.pki.names import parse_name
from mutua.pki.randomness import generate_key
from mutua.pki.requests import write_request
from mutua.registry.credentials import Form
from mutua.registry.foreign_crls import with_crls
from mutua.registry.partners import by_certificate, by_key, by_subject
from mutua.store.events import Recorded
from mutua.tls.peer import PeerCertificate
from tests.conftest import CHEAP_SEALING
from tests.pki.hierarchy import make_issuing_ca, make_root

PUBLISHED = "http://pki.acme.example"
EST = "https://pki.acme.example:8443"


def eventful(home: Home) -> None:
    """Do everything that can be done in a home that has the client ``woovi``, on SQLite and with sealed keys."""
    reseal(home)
    _registry(home)
    _revocations(home)
    _authorities(home)
    _parts(home)
    renew(home, home.authority.issue_client("woovi"))
    refuse(home)


def reseal(home: Home) -> None:
    home.change_passphrase(b"another one", cost=CHEAP_SEALING)


def renew(home: Home, identity: Identity) -> str:
    """Renew with a connection that the certificate was used on, for the same key; the new thumbprint."""
    peer = PeerCertificate.read(tuple(map(write_der, identity.chain)))
    request = write_request(identity.key, [parse_name("anything.example")])
    return home.renewal.by_connection(peer, request).thumbprint


def refuse(home: Home) -> None:
    try:
        home.requests.sign(b"no request at all", profile="server")
    except UnreadableRequest:
        return
    raise AssertionError("it was signed")


def every_event(home: Home) -> list[Recorded]:
    return list(home.audit.after(0))


def _registry(home: Home) -> None:
    _partners(home)
    home.clients.add("bank", allow=["GET,POST /pix/**", "GET /status"])
    home.clients.add("quiet")
    home.clients.suspend("bank")
    home.clients.suspend("woovi")
    home.clients.resume("woovi")
    _invitations(home)
    _removals(home)


def _invitations(home: Home) -> None:
    """One used, one withdrawn, one open; and one of a client that is gone."""
    used = home.invitations.invite("woovi", url=EST, lifetime=timedelta(days=7))
    home.invitations.enrol(used.token, write_request(generate_key(), [parse_name("x.example")]), client="woovi")
    home.invitations.invite("quiet", url=EST)
    home.invitations.withdraw("quiet")
    home.invitations.invite("quiet", url=EST, profile="server", names=[parse_name("a.example"), parse_name("10.0.0.1")])
    home.invitations.invite("gone", url=EST, add=True)
    home.clients.remove("gone", force=True)


def _removals(home: Home) -> None:
    """Two of one name that are gone, and a third that is there."""
    partner = make_issuing_ca(make_root(organization="Gone"))
    for _ in range(2):
        home.clients.add("gone", allow=["GET /status"])
        home.authority.issue_client("gone")
        home.credentials.add("gone", by_key([partner.certificate]))
        home.clients.remove("gone", force=True)
    home.clients.add("gone", allow=["POST /webhook/*"])
    home.authority.issue_client("gone")


def _partners(home: Home) -> None:
    """Known by all that a partner may bring, replaced, and taken away."""
    now, partner = home.now(), make_root(organization="Partner")
    issuing = make_issuing_ca(partner)
    home.clients.add("partner", allow=["GET /status", "POST /webhook/*"])
    home.clients.grant("partner", allow=["GET /balance"], deny=["GET /status"])
    home.credentials.add("partner", by_certificate([partner.certificate], now=now))
    home.credentials.add("partner", by_key([issuing.certificate, partner.certificate]), replace=True)
    chain = [partner.certificate, issuing.certificate]
    gone = by_subject(chain, Form.URI, "spiffe://partner.example/pay", now=now)
    home.credentials.add("partner", with_crls(gone, chain, urls=["http://crl.partner.example/gone.crl"]))
    kept = by_subject(chain, Form.DN, "CN=Pay,O=Partner,2.5.4.97=#0c0158", now=now)
    home.credentials.add("partner", with_crls(kept, chain, urls=["http://crl.partner.example/ca.crl"]))
    home.credentials.remove("partner", gone.credential)


def _revocations(home: Home) -> None:
    released, lost, held, server = (home.authority.issue_client("woovi").thumbprint for _ in range(4))
    home.revocation.revoke(released, reason="certificate_hold")
    home.revocation.release(released)
    home.revocation.revoke(lost, reason="certificate_hold")
    home.revocation.revoke(lost, reason="key_compromise", invalid_since=home.now() - timedelta(days=1))
    home.revocation.revoke(held, reason="certificate_hold")
    home.revocation.revoke(server, reason="superseded")


def _authorities(home: Home) -> None:
    home.hierarchy.add("partners", purpose=Purpose.CLIENT)
    home.hierarchy.rotate("issuing-1")
    home.hierarchy.retire("issuing-1", force=True)
    elsewhere = make_issuing_ca(make_root(organization="Elsewhere"))
    home.hierarchy.take_in("legacy", Identity(elsewhere.key, (elsewhere.certificate,)))
    alone = make_root(organization="Alone")
    home.hierarchy.take_in("alone", Identity(alone.key, (alone.certificate,)))
    for name in ("legacy", "root"):
        home.keys.export(name, home.path / f"{name}.key")
    home.keys.restore("root", home.path / "root.key")


def _parts(home: Home) -> None:
    """CRLs in parts from now on: the whole one of the newest CA is withdrawn, since nothing names it."""
    home.settings = replace(home.settings, revocation_url=PUBLISHED, crl_shards=2)
    for thumbprint in [home.authority.issue_server("a.example", "10.0.0.1").thumbprint for _ in range(4)]:
        home.revocation.revoke(thumbprint)
    home.authority.issue_client("woovi", "spiffe://acme.example/woovi", "ops@acme.example")
