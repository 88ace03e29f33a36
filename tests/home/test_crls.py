"""CRLs of a home: when they are made anew, that their numbers only grow, and that nobody ever reads half of one."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from mutua import Home, Identity
from mutua.ca.revocation import MAX_CRL_LIFE
from mutua.pki.crl import RevocationReason, read_crl
from tests.clock import Clock
from tests.home.crl_files import listed, number, numbers, published
from tests.pki.hierarchy import make_issuing_ca, make_root

HALF_OF_LIFE = timedelta(days=3, hours=12)
ISSUING = ("issuing-1", 0)


def issue(home: Home) -> tuple[str, int]:
    """A new certificate's thumbprint and serial number."""
    made = home.authority.issue_client("woovi")
    return made.thumbprint, made.certificate.serial_number


@pytest.fixture
def other(home: Home) -> Home:
    """Another process at the same home."""
    return Home.open(home.path, actor="other")


def test_a_new_home_publishes_a_crl_of_each_ca_and_all_of_them_together(home: Home) -> None:
    assert numbers(home) == {("issuing-1", 0): 1, ("root", 0): 1}
    for name in ("root", "issuing-1"):
        crl = published(home, name)
        assert crl.is_signature_valid(home.hierarchy.get(name).certificate.public_key())  # type: ignore[arg-type]
        assert len(crl) == 0
    bundle = x509.load_pem_x509_crl((home.crls.folder / "all.pem").read_bytes())
    assert bundle == published(home, "issuing-1")
    assert (home.crls.folder / "all.pem").read_bytes().count(b"BEGIN X509 CRL") == 2


def test_a_crl_is_made_anew_at_half_of_its_life_and_not_before(home: Home, clock: Clock) -> None:
    assert home.crls.publish_due() == []
    clock.move(HALF_OF_LIFE - timedelta(minutes=30))
    assert home.crls.publish_due() == []
    clock.move(timedelta(minutes=30))
    assert {each.authority for each in home.crls.publish_due()} == {"root", "issuing-1"}
    crl = published(home)
    assert number(crl) == 2
    assert crl.next_update_utc is not None
    assert crl.last_update_utc < clock.now() < crl.next_update_utc
    assert home.crls.publish_due() == []


def test_a_clock_that_is_turned_back_gets_a_crl_that_holds_now(home: Home, clock: Clock) -> None:
    clock.move(-timedelta(days=2))
    home.crls.publish_due()
    crl = published(home)
    assert (number(crl), crl.last_update_utc <= clock.now()) == (2, True)


def test_what_has_expired_leaves_the_list_after_one_more(home: Home, clock: Clock) -> None:
    short = home.authority.issue_client("woovi", lifetime=timedelta(days=1))
    home.revocation.revoke(short.thumbprint)
    serial = short.certificate.serial_number
    clock.move(timedelta(days=2))
    home.crls.publish_all()
    assert listed(home) == {serial}, "RFC 5280 section 3.3"
    clock.move(timedelta(seconds=2))
    home.crls.publish_all()
    assert listed(home) == set()


def test_whoever_reads_the_files_all_the_time_never_finds_half_of_one_nor_an_older_one(home: Home) -> None:
    paths = home.crls.path("issuing-1"), home.crls.folder / "all.pem"
    ended = threading.Event()

    def read(path: Path) -> list[int]:
        seen = []
        while not ended.is_set():
            data = path.read_bytes()
            first, _, _ = data.partition(b"-----BEGIN X509 CRL-----\n") if path.suffix == ".crl" else (b"", b"", b"")
            end = data.find(b"-----END X509 CRL-----") + len("-----END X509 CRL-----\n")
            seen.append(number(read_crl(first or data[:end])))
        return seen

    with ThreadPoolExecutor(2) as threads:
        readers = [threads.submit(read, path) for path in paths]
        try:
            for _ in range(20):
                home.revocation.revoke(issue(home)[0])
        finally:
            ended.set()
        for each in readers:
            seen = each.result()
            assert seen == sorted(seen)
    assert number(published(home)) == 21


def test_many_processes_at_once_publish_the_newest_and_every_number_once(home: Home) -> None:
    homes = [Home.open(home.path) for _ in range(4)]
    made = [issue(home) for _ in range(24)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda turn: homes[turn % 4].revocation.revoke(made[turn][0]), range(24)))
    for each in homes:
        each.close()
    assert listed(home) == {serial for _, serial in made}
    assert number(published(home)) == numbers(home)[ISSUING]
    assert home.crls.due() == []
    assert home.audit.verify() > 0  # which holds that the numbers grow


def test_what_is_revoked_while_a_crl_is_signed_is_on_the_next(
    home: Home, other: Home, while_signing: Callable[[Callable[[], object]], None]
) -> None:
    (first, first_serial), (second, second_serial) = issue(home), issue(home)
    with other:
        while_signing(lambda: other.revocation.revoke(second))
        home.revocation.revoke(first)
    home.crls.publish_due()
    assert listed(home) == {first_serial, second_serial}
    assert home.crls.due() == []


def test_what_is_revoked_while_a_cas_first_crl_is_signed_is_on_it(
    home: Home, other: Home, while_signing: Callable[[Callable[[], object]], None]
) -> None:
    thumbprint, serial = issue(home)
    with home.store.write() as connection:
        connection.exec_driver_sql("DELETE FROM crls WHERE authority = 'issuing-1'")

    def revoke() -> None:
        with other, other.store.write() as connection:
            other.revocation.write(connection, thumbprint, RevocationReason.UNSPECIFIED)

    while_signing(revoke)
    home.crls.publish_due()
    assert listed(home) == {serial}
    assert home.crls.due() == []


def test_what_another_process_has_made_meanwhile_is_not_made_again(
    home: Home, other: Home, while_signing: Callable[[Callable[[], object]], None], clock: Clock
) -> None:
    clock.move(HALF_OF_LIFE)
    with other:
        while_signing(other.crls.publish_due)
        home.crls.publish_due()
    assert numbers(home) == {("issuing-1", 0): 2, ("root", 0): 2}


def test_a_superseded_and_a_retired_ca_go_on_publishing(home: Home, clock: Clock) -> None:
    thumbprint, serial = issue(home)
    home.hierarchy.rotate("issuing-1")
    home.revocation.revoke(thumbprint)
    assert listed(home) == {serial}
    assert listed(home, "issuing-2") == set()
    home.hierarchy.retire("issuing-1", force=True)
    clock.move(timedelta(days=5))
    home.crls.publish_due()
    for name in ("root", "issuing-1", "issuing-2"):
        next_update = published(home, name).next_update_utc
        assert next_update is not None
        assert next_update > clock.now() + HALF_OF_LIFE
    assert (home.crls.folder / "all.pem").read_bytes().count(b"BEGIN X509 CRL") == 3


def test_a_ca_that_was_taken_in_publishes_too(home: Home) -> None:
    ca = make_issuing_ca(make_root(organization="Elsewhere"))
    home.hierarchy.take_in("legacy", Identity(ca.key, (ca.certificate,)))
    made = home.authority.issue_client("woovi", authority="legacy")
    home.revocation.revoke(made.thumbprint)
    assert listed(home, "legacy") == {made.certificate.serial_number}


def test_the_crl_of_a_root_whose_key_leaves_lasts_and_issuing_goes_on(
    home: Home, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home.keys.export("root", tmp_path / "root.key")
    next_update = published(home, "root").next_update_utc
    assert next_update is not None
    assert next_update - clock.now() > MAX_CRL_LIFE - timedelta(hours=1)
    clock.move(timedelta(days=180))
    assert [each.authority for each in home.crls.publish_due()] == ["issuing-1"]
    assert caplog.text == ""
    (issuing,) = home.authority.certificates(profile="issuing-ca")
    home.revocation.revoke(issuing.thumbprint, reason="ca_compromise")
    assert "the CRL of root cannot be made here" in caplog.text
    assert listed(home, "root") == set()
    home.keys.restore("root", tmp_path / "root.key")
    home.crls.publish_due()
    assert listed(home, "root") == {int(issuing.serial, 16)}


def test_one_ca_that_cannot_sign_does_not_keep_the_others_from_it(home: Home, clock: Clock, tmp_path: Path) -> None:
    home.keys.export("issuing-1", tmp_path / "issuing.key")
    clock.move(timedelta(days=300))
    assert [each.authority for each in home.crls.publish_due()] == ["root"]


def test_files_that_are_gone_or_strange_are_put_right(home: Home) -> None:
    path, stray = home.crls.path("issuing-1"), home.crls.path("nobody", 7)
    stray.parent.mkdir()
    stray.write_bytes(b"old")
    path.unlink()
    home.crls.write_files()
    assert not stray.exists()
    assert path.read_bytes() == home.crls.der("issuing-1")
    assert path.stat().st_mode & 0o777 == 0o644
