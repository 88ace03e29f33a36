"""``simplereenroll``: with the certificate that is renewed, or its key, and with nothing else."""

import ssl
from base64 import b64decode
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mutua import Home, Identity
from mutua.pki.certificates import names_of, write_der
from mutua.pki.names import parse_name
from mutua.pki.statements import write_statement
from mutua.pki.thumbprints import x5t_s256
from mutua.registry.partners import by_certificate
from tests.inbound.certificates import client_identity, strangers_identity
from tests.inbound.forwarded.writing import CASES
from tests.pki.hierarchy import key_of, make_root
from tests.web.est.asking import PKCS10, EstServer, asked, basic, issued, request_of
from tests.web.publishing import Reply

KEY = key_of("renewed over EST")
BODY = request_of(KEY)


def forbidden(reply: Reply) -> None:
    assert (reply.status, reply.body) == (403, b"the request is refused\n")
    assert reply["WWW-Authenticate"] is None


def shut_out(est: EstServer, identity: Identity) -> None:
    """The handshake fails; in TLS 1.3 the client learns it when it reads (RFC 8446 section 4.4.2.4)."""
    with pytest.raises((ssl.SSLError, ConnectionError)):
        est.renew(BODY, identity)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_the_successor_keeps_names_and_client_and_is_of_a_new_key(
    est: EstServer, held: Identity, client: str, version: ssl.TLSVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = est.context

    def context(identity: Identity | None = None) -> ssl.SSLContext:
        limited = made(identity)
        limited.minimum_version = limited.maximum_version = version
        return limited

    monkeypatch.setattr(est, "context", context)
    renewed = issued(est.renew(request_of(KEY, "woovi", "x.example"), held), KEY, est.home)
    assert [str(name) for name in names_of(renewed.certificate)] == [client]
    assert renewed.certificate.subject == held.certificate.subject
    assert est.home.authority.certificate(renewed.thumbprint).client == client
    assert issued(est.renew(BODY, renewed), KEY, est.home)
    assert "name 'woovi'" in est.said(f"for {held.thumbprint}")


def test_the_same_key_may_be_certified_again(est: EstServer, held: Identity) -> None:
    assert issued(est.renew(request_of(held.key), held), held.key, est.home)


def test_without_a_certificate_nothing_is_renewed(est: EstServer) -> None:
    forbidden(est.renew(BODY))
    est.said("it has shown no certificate")


@pytest.mark.parametrize("case", CASES)
def test_no_header_stands_for_a_certificate(est: EstServer, held: Identity, case: str) -> None:
    """Whatever a proxy would write: nothing of it is read here."""
    lines = CASES[case].write(*map(write_der, held.chain))
    headers = {name: value.decode("latin-1") for name, (value, *_) in lines.items()}
    forbidden(est.renew(BODY, headers={**headers, "X-Forwarded-Proto": "https"}))


def test_a_token_renews_nothing(est: EstServer, client: str) -> None:
    forbidden(est.renew(BODY, headers=basic(client, est.invite(client).token)))


def suspended(home: Home, identity: Identity, client: str) -> None:
    home.clients.suspend(client)


def removed(home: Home, identity: Identity, client: str) -> None:
    home.clients.remove(client, force=True)


def revoked(home: Home, identity: Identity, client: str) -> None:
    home.revocation.revoke(identity.thumbprint)


def held_back(home: Home, identity: Identity, client: str) -> None:
    home.revocation.revoke(identity.thumbprint, reason="certificate_hold")


@pytest.mark.parametrize("act", [suspended, removed, revoked, held_back])
def test_what_is_refused_everywhere_is_not_renewed(
    est: EstServer, held: Identity, client: str, act: Callable[[Home, Identity, str], None]
) -> None:
    act(est.home, held, client)
    forbidden(est.renew(BODY, held))
    est.said("/.well-known/est/simplereenroll refused to 127.0.0.1:")


def test_a_connection_that_was_good_is_asked_again_each_time(est: EstServer, held: Identity, client: str) -> None:
    with closing(est.connect(held)) as connection:
        assert asked(connection, "simplereenroll", method="POST", body=BODY, headers=PKCS10).status == 200
        est.home.clients.suspend(client)
        forbidden(asked(connection, "simplereenroll", method="POST", body=BODY, headers=PKCS10))


def test_a_strangers_certificate_does_not_get_through_the_handshake(est: EstServer, tmp_path: Path) -> None:
    shut_out(est, strangers_identity(tmp_path / "stranger"))
    est.said("unknown_issuer")


def test_nor_does_an_expired_one(est: EstServer) -> None:
    now = datetime.now(UTC)
    shut_out(est, client_identity(est.home, from_=now - timedelta(days=2), until=now - timedelta(days=1)))


def test_nor_one_that_a_partner_has_brought(est: EstServer, client: str) -> None:
    partner = make_root(organization="Partner")
    est.home.credentials.add(client, by_certificate([partner.certificate], now=est.home.now()))
    shut_out(est, Identity(partner.key, (partner.certificate,)))


def test_one_of_our_own_ca_that_is_in_no_inventory_is_not_renewed(est: EstServer) -> None:
    forbidden(est.renew(BODY, client_identity(est.home)))


def test_a_request_that_is_none_renews_nothing(est: EstServer, held: Identity) -> None:
    assert est.renew(b"AAAA", held).status == 400
    assert est.renew(b"%", held).status == 400


# Servers, whose certificates are none for a client.


@pytest.fixture
def server(est: EstServer, client: str) -> Identity:
    return est.home.authority.issue_server(f"{client}.acme.example", "10.0.0.7")


def bearer(statement: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {statement}"}


def statement_of(home: Home, identity: Identity, body: bytes = BODY) -> str:
    """The request of a body, signed with the key of what is to be renewed."""
    audience = x5t_s256(write_der(identity.chain[1]))
    return write_statement(identity.key, identity.certificate, b64decode(body), now=home.now(), audience=audience)


def test_a_servers_certificate_does_not_get_through_the_handshake(est: EstServer, server: Identity) -> None:
    shut_out(est, server)


def test_a_server_is_renewed_by_a_statement_of_its_key(est: EstServer, server: Identity) -> None:
    reply = est.renew(BODY, headers=bearer(statement_of(est.home, server)))
    renewed = issued(reply, KEY, est.home)
    assert names_of(renewed.certificate) == names_of(server.certificate)
    assert est.home.authority.certificate(renewed.thumbprint).profile == "server"


def test_the_request_in_the_body_must_be_the_one_that_was_signed(est: EstServer, server: Identity) -> None:
    signed = statement_of(est.home, server)
    assert est.renew(request_of(key_of("smuggled")), headers=bearer(signed)).status == 403
    assert est.renew(b"", headers=bearer(signed)).status == 403


@pytest.mark.parametrize("statement", ["x", "a.b.c", "A" * 50_000], ids=["short", "parts", "long"])
def test_what_is_no_statement_renews_nothing(est: EstServer, statement: str) -> None:
    assert est.renew(BODY, headers=bearer(statement)).status == 400


def test_a_strangers_statement_renews_nothing(est: EstServer, tmp_path: Path) -> None:
    with Home.create(tmp_path / "other") as other:
        stranger = other.authority.issue_server("x.example")
        forbidden(est.renew(BODY, headers=bearer(statement_of(other, stranger))))


def test_a_statement_about_another_certificate_renews_nothing(est: EstServer, server: Identity) -> None:
    mine = est.home.authority.issue_server("mine.acme.example")
    signed = statement_of(est.home, mine).split(".")
    other = statement_of(est.home, server).split(".")
    assert est.renew(BODY, headers=bearer(".".join([other[0], other[1], signed[2]]))).status == 403


def test_names_are_kept_for_servers_too(est: EstServer) -> None:
    made = est.home.authority.issue_server("kept.acme.example")
    body = request_of(KEY, "evil.example")
    renewed = issued(est.renew(body, headers=bearer(statement_of(est.home, made, body))), KEY, est.home)
    assert names_of(renewed.certificate) == (parse_name("kept.acme.example"),)
