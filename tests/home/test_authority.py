from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest
from cryptography import x509
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mutua import Home, Identity, KeyType
from mutua.errors import (
    AlreadyRevoked,
    InvalidInput,
    InvalidLifetime,
    InvalidName,
    MutuaError,
    OfflineKey,
    UnknownAuthority,
    UnknownCertificate,
    UnknownClient,
)
from mutua.pki.certificates import write_der
from mutua.pki.crl import RevocationReason
from mutua.pki.profiles import CLIENT, SERVER
from mutua.pki.randomness import generate_key
from mutua.store.inventory import CertificateState


def stored(home: Home) -> tuple[int, int, int]:
    """How many certificates, credentials and events there are."""
    credentials = sum(len(client.credentials) for client in home.clients.all())
    return len(list(home.authority.certificates())), credentials, home.audit.verify()


def test_a_clients_certificate_is_in_the_inventory_and_makes_it_known(home: Home) -> None:
    made = home.authority.issue_client("woovi")
    record = home.authority.certificate(made.thumbprint)
    assert record.der == write_der(made.certificate)
    assert (record.client, record.profile, record.authority, record.names) == (
        "woovi",
        "client",
        "issuing-1",
        ("woovi",),
    )
    assert record.serial == f"{made.certificate.serial_number:032x}"
    assert record.state(home.now()) is CertificateState.VALID
    assert home.snapshot().issued[made.thumbprint] == "woovi"
    assert x509.load_pem_x509_certificate(record.pem().encode()) == made.certificate


def test_a_servers_certificate_makes_nobody_known(home: Home) -> None:
    made = home.authority.issue_server("api.acme.example", "127.0.0.1", key_type=KeyType.ED25519)
    record = home.authority.certificate(made.thumbprint)
    assert (record.client, record.profile, record.names) == (None, "server", ("api.acme.example", "127.0.0.1"))
    assert made.thumbprint not in home.snapshot().issued


def test_the_chain_ends_below_the_root(home: Home) -> None:
    made = home.authority.issue_client("woovi")
    assert made.chain == (made.certificate, home.hierarchy.issuing.certificate)


def test_a_key_that_was_made_elsewhere_is_certified(home: Home) -> None:
    key = generate_key(KeyType.P256)
    leaf = home.authority.issue(CLIENT, home.identities.load("woovi").names, key.public_key(), client="woovi")
    assert Identity(key, (leaf,)).thumbprint in home.snapshot().issued


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (lambda home: home.authority.issue_client("bank"), UnknownClient),
        (lambda home: home.authority.issue_client(""), UnknownClient),
        (lambda home: home.authority.issue_client("half\udcff"), UnknownClient),
        (lambda home: home.authority.issue_client("woovi", "*.acme.example"), InvalidName),
        (lambda home: home.authority.issue_client("woovi", "a b"), InvalidName),
        (lambda home: home.authority.issue_client("woovi", *[f"n{n}.example" for n in range(101)]), InvalidName),
        (lambda home: home.authority.issue_client("woovi", lifetime=timedelta(days=366)), InvalidLifetime),
        (lambda home: home.authority.issue_client("woovi", lifetime=timedelta(0)), InvalidLifetime),
        (lambda home: home.authority.issue_client("woovi", lifetime=timedelta(days=-1)), InvalidLifetime),
        (lambda home: home.authority.issue_server(), InvalidName),
        (lambda home: home.authority.issue_server(""), InvalidName),
        (lambda home: home.authority.issue_server("*.com"), InvalidName),
        (lambda home: home.authority.issue_server("a.example", lifetime=timedelta(days=399)), InvalidLifetime),
    ],
)
def test_what_is_refused_stores_nothing(home: Home, act: Callable[[Home], object], error: type[MutuaError]) -> None:
    before = stored(home)
    with pytest.raises(error):
        act(home)
    assert stored(home) == before


def test_a_client_that_vanished_while_its_certificate_was_signed_gets_none(home: Home) -> None:
    before = stored(home)
    key = generate_key(KeyType.P256).public_key()
    with pytest.raises(UnknownClient):
        home.authority.issue(CLIENT, home.identities.load("woovi").names, key, client="gone")
    assert stored(home) == before


def test_the_event_of_an_issuance_has_the_facts_and_no_key(home: Home) -> None:
    made = home.authority.issue_client("woovi")
    with home.store.read() as connection:
        row = connection.exec_driver_sql("SELECT * FROM events ORDER BY id DESC LIMIT 1").one()
    assert (row.kind, row.subject) == ("certificate.issued", made.thumbprint)
    for fact in ('"client":"woovi"', '"profile":"client"', f'"serial":"{made.certificate.serial_number:032x}"'):
        assert fact in row.body
    assert "PRIVATE" not in row.body


def test_a_revoked_certificate_is_revoked_everywhere(home: Home) -> None:
    made, other = home.authority.issue_client("woovi"), home.authority.issue_client("woovi")
    record = home.revocation.revoke(made.thumbprint, reason="key_compromise")
    assert record.state(home.now()) is CertificateState.REVOKED
    assert set(home.snapshot().revoked) == {made.thumbprint}
    assert home.authority.certificate(other.thumbprint).state(home.now()) is CertificateState.VALID


def test_revoking_twice_is_refused_and_changes_nothing(home: Home) -> None:
    made = home.authority.issue_client("woovi")
    first = home.revocation.revoke(made.thumbprint, reason="superseded")
    events = home.audit.verify()
    with pytest.raises(AlreadyRevoked):
        home.revocation.revoke(made.thumbprint, reason="key_compromise")
    assert home.audit.verify() == events
    assert home.authority.certificate(made.thumbprint).revoked_at == first.revoked_at


@pytest.mark.parametrize("reason", ["", "ca_compromise", "because", "unspecified "])
def test_a_reason_that_is_none_revokes_nothing(home: Home, reason: str) -> None:
    made = home.authority.issue_client("woovi")
    with pytest.raises(InvalidInput):
        home.revocation.revoke(made.thumbprint, reason=reason)
    assert set(home.snapshot().revoked) == frozenset()


@pytest.mark.parametrize("reason", [each.value for each in RevocationReason if each != "ca_compromise"])
def test_every_reason_there_is_revokes(home: Home, reason: str) -> None:
    made = home.identities.load("woovi")
    assert home.revocation.revoke(made.thumbprint, reason=reason).revoked_at


def test_a_certificate_is_found_by_the_start_of_its_thumbprint_or_serial(home: Home) -> None:
    record = home.authority.certificate(home.identities.load("woovi").thumbprint)
    # The first eight digits of a serial are the second it was issued in, which others share.
    for text in (record.thumbprint[:6], record.thumbprint, record.serial[:16], record.serial, record.serial.upper()):
        assert home.authority.certificate(text) == record


def test_a_thumbprint_is_not_found_by_its_letters_in_another_case(home: Home) -> None:
    thumbprint = home.identities.load("woovi").thumbprint
    with pytest.raises(UnknownCertificate):
        home.authority.certificate(thumbprint.swapcase())


def test_a_prefix_of_several_or_too_short_a_one_or_a_pattern_finds_none(home: Home) -> None:
    record = home.authority.certificate(home.identities.load("woovi").thumbprint)
    for text in ("", record.thumbprint[:5], record.thumbprint + "A", "%" * 6, "_" * 6, "%" + record.thumbprint[1:]):
        with pytest.raises(UnknownCertificate, match="has no certificate"):
            home.authority.certificate(text)
    with home.store.write() as connection:
        connection.exec_driver_sql("UPDATE certificates SET serial = 'abcdef' || substr(serial, 7)")
    with pytest.raises(UnknownCertificate, match="several"):
        home.authority.certificate("abcdef")
    with pytest.raises(UnknownCertificate, match="several"):
        home.revocation.revoke("abcdef")
    assert set(home.snapshot().revoked) == frozenset()


@given(text=st.text() | st.text("%_\\'\"\udcff\0", min_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_text_finds_a_certificate_or_is_a_clear_refusal(home: Home, text: str) -> None:
    with suppress(UnknownCertificate):
        home.authority.certificate(text)
    with suppress(UnknownClient):
        home.clients.get(text)


def test_the_inventory_lists_the_newest_first_by_client_and_profile(home: Home) -> None:
    home.clients.add("bank")
    issued = [home.authority.issue_client("bank").thumbprint for _ in range(3)]
    server = home.authority.issue_server("api.acme.example").thumbprint
    listed = [record.thumbprint for record in home.authority.certificates()]
    assert listed[:4] == [server, *reversed(issued)]
    assert [each.thumbprint for each in home.authority.certificates(client="bank")] == list(reversed(issued))
    assert {each.profile for each in home.authority.certificates(profile=SERVER.name)} == {"server"}
    assert list(home.authority.certificates(client="bank", profile="server")) == []


def test_a_ca_whose_key_is_elsewhere_signs_nothing(home: Home) -> None:
    with home.store.write() as connection:
        connection.exec_driver_sql("UPDATE authorities SET key = NULL")
    before = len(list(home.authority.certificates()))
    with pytest.raises(OfflineKey):
        home.authority.issue_client("woovi")
    assert len(list(home.authority.certificates())) == before


def test_a_store_without_a_ca_is_told(home: Home) -> None:
    with home.store.write() as connection:
        for table in ("crls", "certificates", "authorities"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    with pytest.raises(UnknownAuthority, match="no CA that signs client"):
        home.authority.issue_client("woovi")
