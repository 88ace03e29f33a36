"""CRLs in parts: what was revoked stays on every list that a certificate names, and nothing else is made anew."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509

from mutua import Home
from mutua.errors import DiskFull, InvalidSettings
from mutua.home.issuing import Order
from mutua.pki.profiles import OCSP
from mutua.store.crls import WHOLE
from tests.clock import Clock
from tests.home.crl_files import listed, number, numbers, published
from tests.pki.hierarchy import key_of

BASE = "http://pki.acme.example"
PARTS = 16

NINETY_DAYS = timedelta(days=91)
"""After these the certificates from before the list was cut have expired."""


@pytest.fixture
def cut(home: Home) -> Callable[[int], Home]:
    """Cuts the CRLs into so many parts from now on."""

    def into(parts: int) -> Home:
        home.settings = replace(home.settings, revocation_url=BASE, crl_shards=parts)
        home.crls.publish_due()
        return home

    return into


def issue(home: Home) -> tuple[str, int, int | None]:
    """A new certificate's thumbprint, serial number, and part."""
    made = home.authority.issue_client("woovi")
    return made.thumbprint, made.certificate.serial_number, home.authority.certificate(made.thumbprint).shard


def last_event(home: Home) -> int:
    *_, last = home.audit.after(0)
    return last.id


def test_parts_need_an_address_that_a_certificate_can_name(home: Home) -> None:
    with (home.path / "mutua.toml").open("a") as settings:
        settings.write("crl_shards = 16\n")
    with pytest.raises(InvalidSettings, match="'crl_shards' needs 'revocation_url'"):
        Home.open(home.path)


def test_revoking_one_makes_its_part_anew_and_nothing_else(
    home: Home, cut: Callable[[int], Home], clock: Clock
) -> None:
    clock.move(NINETY_DAYS)
    cut(PARTS)
    thumbprint, _, _ = issue(home)
    home.revocation.revoke(thumbprint)  # which finds that nobody needs the whole any more
    before, files = numbers(home), modified(home)
    thumbprint, serial, shard = issue(home)
    assert shard is not None
    happened = last_event(home)
    home.revocation.revoke(thumbprint)
    assert numbers(home) == {**before, ("issuing-1", shard): before["issuing-1", shard] + 1}
    assert serial in listed(home, shard=shard)
    assert [event.kind for event in home.audit.after(happened)] == ["certificate.revoked", "crl.published"]
    changed = {name for name, when in modified(home).items() if files.get(name) != when}
    assert changed == {f"issuing-1/{shard}.crl"}
    assert home.audit.verify() > 0


def test_each_part_says_which_it_is_and_lists_its_own(home: Home, cut: Callable[[int], Home]) -> None:
    cut(4)
    made = [issue(home) for _ in range(12)]
    for thumbprint, _, _ in made:
        home.revocation.revoke(thumbprint)
    for shard in range(1, 5):
        crl = published(home, shard=shard)
        point = crl.extensions.get_extension_for_class(x509.IssuingDistributionPoint)
        assert point.critical
        assert point.value.full_name == [x509.UniformResourceIdentifier(f"{BASE}/crl/issuing-1/{shard}.crl")]
        assert listed(home, shard=shard) == {serial for _, serial, part in made if part == shard}


def test_the_whole_list_stays_while_a_certificate_without_a_part_is_good(
    home: Home, cut: Callable[[int], Home], clock: Clock
) -> None:
    cut(4)
    (thumbprint, serial, shard), old = issue(home), home.identities.load("woovi")
    assert shard is not None
    home.revocation.revoke(thumbprint)
    home.revocation.revoke(old.thumbprint)
    assert listed(home) == {serial, old.certificate.serial_number}, "the whole lists those of the parts too"
    assert listed(home, shard=shard) == {serial}
    assert not (home.crls.folder / "all.pem").exists()
    clock.move(NINETY_DAYS)
    home.crls.publish_due()
    assert ("issuing-1", WHOLE) not in numbers(home)
    assert not home.crls.path("issuing-1").exists()
    assert home.audit.verify() > 0


def test_a_responder_does_not_keep_the_whole_list_alive(home: Home, cut: Callable[[int], Home], clock: Clock) -> None:
    clock.move(NINETY_DAYS)
    cut(4)
    public_key = key_of("responder").public_key()
    order = Order(profile=OCSP, names=(), public_key=public_key, common_name="OCSP", authority="issuing-1")
    (issued,) = home.authority.issuing.issue([order])
    assert issued.record.shard is None
    home.revocation.revoke(issue(home)[0])
    assert ("issuing-1", WHOLE) not in numbers(home)


def test_two_processes_that_cut_at_once_take_the_whole_list_back_once(
    home: Home, while_signing: Callable[[Callable[[], object]], None], clock: Clock
) -> None:
    clock.move(NINETY_DAYS)
    home.settings = replace(home.settings, revocation_url=BASE, crl_shards=4)
    issue(home)
    with Home.open(home.path) as other:
        other.settings = home.settings
        while_signing(other.crls.publish_due)
        home.crls.publish_due()
    assert {shard for name, shard in numbers(home) if name == "issuing-1"} == {1, 2, 3, 4}
    withdrawn = [told.subject for told in home.audit.after(0) if told.kind == "crl.withdrawn"]
    assert withdrawn == ["issuing-1/0"]
    home.audit.verify()


def test_whoever_is_stopped_while_it_cuts_has_not_taken_the_whole_list_back(
    home: Home, cut: Callable[[int], Home], while_signing: Callable[[Callable[[], object]], None], clock: Clock
) -> None:
    """Otherwise the numbers of the next whole list would begin at 1 again (RFC 5280 section 5.2.3)."""
    clock.move(NINETY_DAYS)
    issue(home)

    def stop() -> None:
        raise DiskFull("stopped")

    while_signing(stop)
    with pytest.raises(DiskFull):
        cut(4)
    assert {shard for name, shard in numbers(home) if name == "issuing-1"} == {WHOLE}
    cut(1)
    assert number(published(home)) == 2
    cut(4)
    home.audit.verify()


def test_the_root_is_never_cut(home: Home, cut: Callable[[int], Home]) -> None:
    cut(4)
    assert {shard for name, shard in numbers(home) if name == "root"} == {WHOLE}


def test_back_to_one_list_the_parts_go_on_and_the_numbers_grow(
    home: Home, cut: Callable[[int], Home], clock: Clock
) -> None:
    clock.move(NINETY_DAYS)
    for _ in range(5):
        home.crls.publish_all()
    highest = number(published(home))
    cut(4)
    thumbprint, serial, shard = issue(home)
    assert shard is not None
    home.revocation.revoke(issue(home)[0])
    assert ("issuing-1", WHOLE) not in numbers(home)
    cut(1)
    assert number(published(home)) > highest
    home.revocation.revoke(thumbprint)
    assert serial in listed(home)
    assert serial in listed(home, shard=shard)
    assert home.audit.verify() > 0


def test_more_parts_later_leave_every_certificate_in_the_one_it_names(home: Home, cut: Callable[[int], Home]) -> None:
    cut(2)
    thumbprint, serial, shard = issue(home)
    cut(64)
    home.revocation.revoke(thumbprint)
    assert shard in {1, 2}
    assert listed(home, shard=shard) == {serial}


def modified(home: Home) -> dict[str, int]:
    folder = home.crls.folder
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_a_process_that_does_not_know_the_address_makes_no_part_that_passes_for_the_whole(
    home: Home, cut: Callable[[int], Home], caplog: pytest.LogCaptureFixture
) -> None:
    with Home.open(home.path) as unaware:
        cut(4)
        thumbprint, serial, shard = issue(home)
        before = numbers(home)
        unaware.revocation.revoke(thumbprint)
        assert serial in listed(home)
        assert numbers(home)["issuing-1", shard or 0] == before["issuing-1", shard or 0]
        assert "cannot be made here: a part of a CRL needs the address" in caplog.text
    home.crls.publish_due()
    assert listed(home, shard=shard or 0) == {serial}
