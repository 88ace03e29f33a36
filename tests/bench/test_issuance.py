"""The harness of the authority's benchmarks measures what it says. How fast anything is, is for ``make bench``."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from bench.issuance import crl, django_ca, rounds
from bench.issuance.__main__ import main
from bench.issuance.bare import Bare
from bench.issuance.crl import Contender
from bench.issuance.django_ca import AS_SHIPPED, WAL, WAL_TOGETHER, DjangoCa, Way
from bench.issuance.figures import PARTS
from bench.issuance.handed_out import WronglyIssued, check
from bench.issuance.issuer import LIFETIME, Issuer, key_usage, make_requests, now
from bench.issuance.openssl import OpensslCa, OpensslX509
from bench.issuance.ours import Batch, ManyCallers, SingleCalls, make_home
from bench.issuance.report import certificates_section
from bench.issuance.rounds import BARE, Bound, Contestant, Plan, Row, pinned
from mutua import Home
from mutua.errors import MutuaError
from tests.missing import missing

BARE_CRL = Contender("bare", "build", "bare_crl:BareCrl")


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer.make()


@pytest.fixture(scope="module")
def csrs() -> list[bytes]:
    return make_requests(20)


@pytest.fixture
def django_python() -> Path:
    if not django_ca.PYTHON.exists():
        missing(f"django-ca is not installed: there is no {django_ca.PYTHON}; 'make bench' installs it")
    return django_ca.PYTHON


@pytest.fixture(params=["bare", "openssl ca", "openssl x509", "single calls", "batch", "callers", "django-ca"])
def contestant(
    request: pytest.FixtureRequest, issuer: Issuer, tmp_path: Path, peer: Callable[[str], str]
) -> Iterator[Contestant]:
    with ExitStack() as running:
        match request.param:
            case "bare":
                yield Bare(issuer)
            case "openssl ca" | "openssl x509":
                peer("openssl")
                kind = OpensslCa if request.param == "openssl ca" else OpensslX509
                yield kind(issuer, tmp_path / "openssl")
            case "django-ca":
                request.getfixturevalue("django_python")
                yield running.enter_context(DjangoCa(WAL, tmp_path / "django"))
            case name:
                home = running.enter_context(make_home(tmp_path / "home", stored=3))
                kinds: dict[str, Callable[[Home], Contestant]]
                kinds = {"single calls": SingleCalls, "batch": Batch, "callers": ManyCallers}
                yield running.enter_context(kinds[name](home))


def test_everybody_issues_the_same_certificates(contestant: Contestant, csrs: list[bytes]) -> None:
    began = time.perf_counter()
    seconds = contestant.issue(csrs)
    assert 0 < seconds < time.perf_counter() - began
    check(contestant.issued, csrs, contestant.issuer)


def test_a_second_turn_issues_again(contestant: Contestant, csrs: list[bytes]) -> None:
    contestant.issue(csrs[:3])
    first = contestant.issued
    contestant.issue(csrs[:3])
    assert len(first) == len(contestant.issued) == 3
    assert not set(first) & set(contestant.issued)


def test_a_request_that_its_key_did_not_sign_is_refused(contestant: Contestant, csrs: list[bytes]) -> None:
    der = bytearray(x509.load_pem_x509_csr(csrs[0]).public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    forged = x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM)
    with pytest.raises((ValueError, RuntimeError, MutuaError, WronglyIssued)):
        _issue_and_check(contestant, [forged])


def _issue_and_check(contestant: Contestant, csrs: list[bytes]) -> None:
    contestant.issue(csrs)
    check(contestant.issued, csrs, contestant.issuer)  # openssl ca leaves with 0, and without a certificate


def test_a_bare_certificate_passes_openssl(
    issuer: Issuer, csrs: list[bytes], tmp_path: Path, peer: Callable[[str], str]
) -> None:
    bare = Bare(issuer)
    bare.issue(csrs[:1])
    issuer.write(tmp_path)
    (tmp_path / "leaf.pem").write_bytes(bare.issued[0])
    command = [peer("openssl"), "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", "ca.pem", "leaf.pem"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class Changed(Bare):
    """Issues something else than was asked for."""

    def __init__(self, issuer: Issuer, change: Callable[[x509.CertificateBuilder], x509.CertificateBuilder]) -> None:
        super().__init__(issuer)
        self._change = change
        self._issuer_key = issuer.key

    def _one(self, pem: bytes) -> bytes:
        found = x509.load_pem_x509_certificate(super()._one(pem))
        builder = x509.CertificateBuilder(
            issuer_name=found.issuer,
            subject_name=found.subject,
            public_key=found.public_key(),
            serial_number=found.serial_number,
            not_valid_before=found.not_valid_before_utc,
            not_valid_after=found.not_valid_after_utc,
            extensions=list(found.extensions),
        )
        certificate = self._change(builder).sign(self._issuer_key, hashes.SHA256())
        return certificate.public_bytes(serialization.Encoding.PEM)


def _with(builder: x509.CertificateBuilder, **changes: object) -> x509.CertificateBuilder:
    for name, value in changes.items():
        setattr(builder, f"_{name}", value)
    return builder


def _replaced(builder: x509.CertificateBuilder, value: x509.ExtensionType) -> x509.CertificateBuilder:
    others = [found for found in builder._extensions if found.oid != value.oid]
    critical = any(found.critical for found in builder._extensions if found.oid == value.oid)
    return _with(builder, extensions=[*others, x509.Extension(value.oid, critical, value)])


CHANGES: dict[str, Callable[[x509.CertificateBuilder], x509.CertificateBuilder]] = {
    "a serial number repeats": lambda builder: _with(builder, serial_number=7),
    "has other extensions": lambda builder: _with(builder, extensions=builder._extensions[1:]),
    "has another KeyUsage": lambda builder: _replaced(builder, key_usage(is_ca=True)),
    "has another ExtendedKeyUsage": lambda builder: _replaced(
        builder, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    ),
    "has other names": lambda builder: _replaced(builder, x509.SubjectAlternativeName([x509.DNSName("other.example")])),
    "subject or key": lambda builder: _with(builder, subject_name=builder._issuer_name),
    "lives": lambda builder: _with(builder, not_valid_after=now() + LIFETIME / 2),
}


@pytest.mark.parametrize("why", CHANGES)
def test_whoever_does_less_is_found_out(why: str, issuer: Issuer, csrs: list[bytes]) -> None:
    changed = Changed(issuer, CHANGES[why])
    with pytest.raises(WronglyIssued, match=why):
        rounds.measure(Plan(certificates=20, rounds=1), [changed], csrs, lambda _: None)


def test_a_missing_certificate_is_found_out(issuer: Issuer, csrs: list[bytes]) -> None:
    bare = Bare(issuer)
    bare.issue(csrs)
    with pytest.raises(WronglyIssued, match="20 requests, 19 certificates"):
        check(bare.issued[:-1], csrs, bare.issuer)


def test_a_certificate_of_another_ca_is_found_out(issuer: Issuer, csrs: list[bytes]) -> None:
    bare = Bare(issuer)
    bare.issue(csrs)
    with pytest.raises(InvalidSignature):
        check(bare.issued, csrs, Issuer.make().certificate)


class Noted(Bare):
    """Writes down when it had its turn, and how many certificates that was."""

    def __init__(self, name: str, issuer: Issuer, notes: list[tuple[str, int]], share: float = 1.0) -> None:
        super().__init__(issuer)
        self.name = name
        self.share = share
        self._notes = notes

    def issue(self, csrs: Sequence[bytes]) -> float:
        self._notes.append((self.name, len(csrs)))
        super().issue(csrs)
        return 0.5

    def close(self) -> None:
        self._notes.append((f"{self.name} closed", 0))


def test_turns_alternate_after_a_warm_up(issuer: Issuer, csrs: list[bytes]) -> None:
    notes: list[tuple[str, int]] = []
    contestants = [Noted("a", issuer, notes), Noted("b", issuer, notes, share=0.2)]
    rows = rounds.measure(Plan(certificates=20, rounds=2), contestants, csrs, lambda _: None)
    warm_up, turns = [("a", 2), ("b", 1)], [("a", 20), ("b", 4), ("b", 4), ("a", 20)]
    assert notes == [*warm_up, *turns, ("b closed", 0), ("a closed", 0)]
    assert [row.rates for row in rows] == [[40, 40], [8, 8]]


def test_everybody_is_closed_when_one_fails(issuer: Issuer, csrs: list[bytes]) -> None:
    notes: list[tuple[str, int]] = []
    contestants = [Noted("a", issuer, notes), Changed(issuer, CHANGES["lives"])]
    with pytest.raises(WronglyIssued):
        rounds.measure(Plan(certificates=4, rounds=1), contestants, csrs, lambda _: None)
    assert notes[-1] == ("a closed", 0)


def test_a_ratio_is_the_median_over_rounds() -> None:
    bare, ours = Row(BARE, "", (), [100, 200, 400]), Row("ours", "", (), [60, 100, 400])
    assert ours.times(bare) == 0.6


@pytest.mark.parametrize(("rate", "holds"), [(60, True), (59, False)])
def test_a_bound_is_held_against_its_reference(rate: float, holds: bool) -> None:
    rows = [Row(BARE, "", (), [100.0]), Row("ours", "", (Bound(BARE, 0.6), Bound("absent", 10)), [rate])]
    assert rounds.missed(rows) == ([] if holds else ["ours: 0.59 times bare cryptography, at least 0.6"])
    assert f"- ours: 0.{rate} times bare cryptography, to be at least 0.6." in certificates_section(rows)


def test_a_large_store_is_compared_with_a_small_one(tmp_path: Path) -> None:
    with make_home(tmp_path / "home", stored=0) as home:
        assert [Bound("mutua, batch", 0.9)] == list(Batch(home, 5_000).bounds)
        assert Batch(home, 5_000).name == "mutua, batch, 5,000 stored"


def test_a_home_is_filled_with_real_certificates(tmp_path: Path) -> None:
    with make_home(tmp_path / "home", stored=7) as home:
        assert len(list(home.authority.certificates(profile="server"))) == 7


def test_a_pinned_thread_and_its_children_stay_on_one_core() -> None:
    allowed = os.sched_getaffinity(0)
    core = max(allowed)
    with pinned(core):
        command = [sys.executable, "-c", "import os; print(*os.sched_getaffinity(0))"]
        said = subprocess.run(command, capture_output=True, text=True, check=True)
        assert said.stdout.split() == [str(core)]
    assert os.sched_getaffinity(0) == allowed


def test_openssl_ca_keeps_its_database(
    issuer: Issuer, csrs: list[bytes], tmp_path: Path, peer: Callable[[str], str]
) -> None:
    peer("openssl")
    contestant = OpensslCa(issuer, tmp_path / "openssl")
    contestant.issue(csrs[:3])
    assert len((tmp_path / "openssl" / "index.txt").read_text().splitlines()) == 3


@pytest.mark.usefixtures("django_python")
@pytest.mark.parametrize(("way", "journal"), [(AS_SHIPPED, "delete"), (WAL, "wal"), (WAL_TOGETHER, "wal")])
def test_django_ca_commits_what_it_hands_out(way: Way, journal: str, csrs: list[bytes], tmp_path: Path) -> None:
    with DjangoCa(way, tmp_path / "django") as contestant:
        contestant.issue(csrs[:3])
        assert contestant.facts == {"journal_mode": journal, "synchronous": "2"}
        with sqlite3.connect(tmp_path / "django" / "db.sqlite3") as store:
            assert store.execute("SELECT count(*) FROM django_ca_certificate").fetchone() == (3,)
        store.close()


@pytest.mark.usefixtures("django_python")
def test_django_ca_that_fails_is_told_of(csrs: list[bytes], tmp_path: Path) -> None:
    with DjangoCa(WAL, tmp_path / "django") as contestant:
        (tmp_path / "django" / "keys").rename(tmp_path / "elsewhere")
        with pytest.raises(RuntimeError, match=r"django-ca, .* ended with 1"):
            contestant.issue(csrs[:1])


def test_a_run_measures_every_part(tmp_path: Path, peer: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    peer("openssl")
    monkeypatch.setattr(crl, "CONTENDERS", (BARE_CRL, replace(BARE_CRL, parts=crl.PARTS)))
    figures, page = tmp_path / "figures.json", tmp_path / "page.md"
    page.write_text("".join(f"<!-- bench {name} -->\n<!-- end {name} -->\n" for name in PARTS))
    few = ["--rounds", "2", "--certificates", "16", "--stored", "20", "--revoked", "600", "--asked", "8"]
    affinity = os.sched_getaffinity(0)
    assert main([*few, "--json", str(figures), "--write", str(page)]) in {0, 1}
    measured = json.loads(figures.read_text())
    names = {row["name"] for row in measured["certificates"]}
    assert {BARE, "mutua, batch", "mutua, batch, 20 stored", "openssl ca", "openssl x509 -req"} <= names
    assert all(len(row["a_second"]) == 2 and min(row["a_second"]) > 0 for row in measured["certificates"])
    assert {row["parts"] for row in measured["crl"]} == {1, crl.PARTS}
    assert {row["name"] for row in measured["ocsp"]} == {"bare cryptography", "mutua", "openssl ocsp"}
    assert "mutua, 16 callers" in page.read_text()
    assert os.sched_getaffinity(0) == affinity


def test_a_part_can_be_run_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ocsp", "--rounds", "1", "--asked", "4"]) == 0
    said = capsys.readouterr().out
    assert "OCSP answers by" in said
    assert "certificates by" not in said
    assert "Every bound held." in said


def test_no_other_part_is_taken() -> None:
    with pytest.raises(SystemExit):
        main(["everything"])
