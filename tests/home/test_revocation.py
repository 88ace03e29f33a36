"""Revoking, holding and releasing: what is stored, what the CRL says, and what a missing passphrase changes."""

import logging
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from cryptography import x509

from mutua import Home
from mutua.errors import AlreadyRevoked, InvalidInput, NotOnHold, UnknownCertificate
from mutua.home.upkeep import Upkeep
from mutua.pki.crl import RevocationReason
from mutua.store.inventory import CertificateState
from tests.clock import Clock
from tests.home.crl_files import listed, number, numbers, published
from tests.home.tables import tables

FOR_CLIENTS = sorted(set(RevocationReason) - {RevocationReason.CA_COMPROMISE})
FOR_CAS = sorted(set(RevocationReason) - {RevocationReason.KEY_COMPROMISE, RevocationReason.CERTIFICATE_HOLD})


@pytest.fixture
def thumbprint(home: Home) -> str:
    return home.identities.load("woovi").thumbprint


@pytest.fixture
def serial(home: Home) -> int:
    return home.identities.load("woovi").certificate.serial_number


@pytest.fixture
def nowhere(home: Home) -> Callable[[], Home]:
    """Opens the home as a process does that has no passphrase."""
    (home.path / "passphrase").rename(home.path.parent / "elsewhere")

    def opened() -> Home:
        return Home.open(home.path, actor="no passphrase")

    return opened


@pytest.mark.parametrize("reason", FOR_CLIENTS)
def test_a_client_is_revoked_for_a_reason_that_its_crl_says_at_once(
    home: Home, thumbprint: str, serial: int, reason: str
) -> None:
    before = number(published(home))
    record = home.revocation.revoke(thumbprint, reason=reason)
    assert (record.reason, record.invalid_since) == (reason, None)
    (entry,) = published(home)
    assert entry.serial_number == serial
    assert entry.revocation_date_utc == record.revoked_at
    said = [each.value.reason.name for each in entry.extensions if isinstance(each.value, x509.CRLReason)]
    assert said == ([] if reason == "unspecified" else [reason])
    assert number(published(home)) == before + 1
    assert thumbprint in home.snapshot().revoked
    assert home.audit.verify() > 0


@pytest.mark.parametrize("reason", FOR_CAS)
def test_an_issuing_ca_is_revoked_on_the_crl_of_the_root(home: Home, reason: str) -> None:
    (record,) = home.authority.certificates(profile="issuing-ca")
    home.revocation.revoke(record.thumbprint, reason=reason)
    assert listed(home, "root") == {int(record.serial, 16)}
    assert listed(home) == set()


@pytest.mark.parametrize(
    ("profile", "reason"),
    [
        ("client", "ca_compromise"),
        ("issuing-ca", "key_compromise"),
        ("issuing-ca", "certificate_hold"),
        ("client", "removeFromCRL"),
        ("client", ""),
    ],
)
def test_a_reason_that_does_not_fit_changes_nothing(home: Home, profile: str, reason: str) -> None:
    record = next(home.authority.certificates(profile=profile))
    before = tables(home)
    with pytest.raises(InvalidInput):
        home.revocation.revoke(record.thumbprint, reason=reason)
    assert tables(home) == before


def test_the_time_of_the_loss_is_on_the_crl(home: Home, thumbprint: str) -> None:
    lost = home.now().replace(microsecond=123456) - timedelta(days=3)
    record = home.revocation.revoke(thumbprint, reason="key_compromise", invalid_since=lost)
    assert record.invalid_since == lost.replace(microsecond=0)
    (entry,) = published(home)
    date = entry.extensions.get_extension_for_class(x509.InvalidityDate).value.invalidity_date_utc
    assert date == record.invalid_since
    with pytest.raises(InvalidInput, match="future"):
        home.revocation.revoke(
            home.authority.issue_client("woovi").thumbprint, invalid_since=home.now() + timedelta(minutes=1)
        )


def test_a_hold_is_released_and_everything_is_as_before(home: Home, thumbprint: str) -> None:
    home.revocation.revoke(thumbprint, reason="certificate_hold")
    assert home.authority.certificate(thumbprint).state(home.now()) is CertificateState.ON_HOLD
    assert thumbprint in home.snapshot().revoked
    record = home.revocation.release(thumbprint)
    assert (record.reason, record.revoked_at, record.state(home.now())) == (None, None, CertificateState.VALID)
    assert listed(home) == set()
    assert thumbprint not in home.snapshot().revoked
    home.revocation.revoke(thumbprint, reason="certificate_hold")
    assert listed(home) == {int(record.serial, 16)}


def test_a_hold_becomes_final_since_the_hold(home: Home, thumbprint: str, clock: Clock) -> None:
    held = home.revocation.revoke(thumbprint, reason="certificate_hold")
    clock.move(timedelta(hours=2))
    final = home.revocation.revoke(thumbprint, reason="key_compromise")
    assert final.revoked_at == held.revoked_at
    (entry,) = published(home)
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason is x509.ReasonFlags.key_compromise
    with pytest.raises(NotOnHold):
        home.revocation.release(thumbprint)


@pytest.mark.parametrize("again", ["unspecified", "certificate_hold", "key_compromise"])
def test_what_is_revoked_for_good_stays_as_it_is(home: Home, thumbprint: str, again: str) -> None:
    home.revocation.revoke(thumbprint, reason="superseded")
    before = tables(home)
    with pytest.raises(AlreadyRevoked):
        home.revocation.revoke(thumbprint, reason=again)
    with pytest.raises(NotOnHold):
        home.revocation.release(thumbprint)
    assert tables(home) == before


def test_what_was_never_revoked_is_not_released_and_nobody_is_nobody(home: Home, thumbprint: str) -> None:
    with pytest.raises(NotOnHold):
        home.revocation.release(thumbprint)
    for text in ("", "abc", "0" * 32, "%" * 10, "no such certificate", "\0" * 6, "\udcff" * 6):
        with pytest.raises(UnknownCertificate):
            home.revocation.revoke(text)


def test_of_sixteen_at_once_one_revokes(home: Home, thumbprint: str) -> None:
    homes = [Home.open(home.path) for _ in range(4)]

    def revoke(turn: int) -> bool:
        try:
            homes[turn % 4].revocation.revoke(thumbprint)
        except AlreadyRevoked:
            return False
        return True

    with ThreadPoolExecutor(16) as threads:
        assert sum(threads.map(revoke, range(16))) == 1
    for each in homes:
        each.close()
    told = [event for event in home.audit.after(0) if event.kind == "certificate.revoked"]
    assert len(told) == 1
    assert len(listed(home)) == 1


def test_without_the_passphrase_a_certificate_is_revoked_and_the_crl_follows(
    home: Home, thumbprint: str, serial: int, nowhere: Callable[[], Home], caplog: pytest.LogCaptureFixture
) -> None:
    before = numbers(home)
    with nowhere() as poor, caplog.at_level(logging.WARNING):
        poor.revocation.revoke(thumbprint)
        assert "the CRL of issuing-1 cannot be made here" in caplog.text
        assert thumbprint in poor.snapshot().revoked
    assert numbers(home) == before
    (home.path.parent / "elsewhere").rename(home.path / "passphrase")
    upkeep = Upkeep(home.path)
    upkeep.look()
    upkeep.close()
    assert listed(home) == {serial}
    assert numbers(home) == {**before, ("issuing-1", 0): before["issuing-1", 0] + 1}


def test_a_process_without_the_passphrase_writes_the_files_that_another_machine_has_made(
    home: Home, thumbprint: str, serial: int
) -> None:
    home.revocation.revoke(thumbprint)
    (home.path / "passphrase").unlink()
    for path in home.crls.folder.iterdir():
        path.unlink()
    upkeep = Upkeep(home.path)
    upkeep.look()
    upkeep.close()
    assert listed(home) == {serial}
    assert (home.crls.folder / "all.pem").read_bytes() == home.crls.bundle()


def test_the_file_system_may_refuse_and_the_certificate_is_revoked(
    home: Home, thumbprint: str, serial: int, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.rmtree(home.crls.folder)
    home.crls.folder.write_text("in the way")
    with caplog.at_level(logging.WARNING):
        record = home.revocation.revoke(thumbprint)
    assert record.reason == "unspecified"
    assert "lags behind" in caplog.text
    home.crls.folder.unlink()
    upkeep = Upkeep(home.path)
    upkeep.look()
    upkeep.close()
    assert listed(home) == {serial}
