"""``mutua client trust --refused``: whoever was refused is looked at, and known from then on."""

import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from mutua import Home, Identity
from mutua.inbound.live_gate import LiveGate
from mutua.inbound.seen.record import Record
from mutua.inbound.seen.worker import Seen
from mutua.pki.certificates import write_der, write_pem
from mutua.pki.thumbprints import spki_s256, x5t_s256
from tests.cli.conftest import Run
from tests.inbound.connections import LiveConnection, client_context, until
from tests.pki.hierarchy import NOW, issue, make_issuing_ca, make_root
from tests.pki.revocation_lists import with_points
from tests.serving import PATIENCE_SECONDS, Serving

CA = make_issuing_ca(make_root(organization="Bank"))
LEAF = issue(CA, names=["api.bank.example"])
IDENTITY = Identity(LEAF.key, (LEAF.certificate,))
URL = "http://crl.bank.example/ca.crl"


@pytest.fixture
def record(home: Home) -> Iterator[Record]:
    """What a gate that runs has seen."""
    home.clients.add("bank", allow=["GET /**"])
    with closing(LiveGate(home)) as gate:
        made = Record()
        with closing(Seen(home.path, gate, record=made)) as worker:
            worker.start()
            yield made


def refuse(
    record: Record, certificate: x509.Certificate | bytes | None = LEAF.certificate, reason: str = "unknown_issuer"
) -> str:
    der = write_der(certificate) if isinstance(certificate, x509.Certificate) else certificate
    return record.refusals.add(
        time.time(), reason, "by \x1b[2J", peer="127.0.0.1:5", client=None, thumbprint="x", certificate=der
    )


def test_a_partner_is_refused_then_trusted_and_gets_in(home: Home, mutua: Run, serve: Callable[..., Serving]) -> None:
    mutua("client", "add", "bank", "--allow", "GET /**")
    serving, context = serve(), IDENTITY.client_context(home.trust)
    with suppress(OSError), LiveConnection(serving.port, context) as stranger:
        stranger.get()
    assert serving.next_line("refused")["reason"] == "unknown_issuer"
    (refusal,) = mutua("gate", "refusals", "--json").json
    trusted = mutua("client", "trust", "bank", "--refused", refusal["id"], "--yes")
    assert trusted.code == 0, trusted.err

    def is_in() -> bool:
        with suppress(OSError), LiveConnection(serving.port, context) as partner:
            return partner.get() == 200
        return False

    until(is_in)
    with LiveConnection(serving.port, context) as partner, LiveConnection(serving.port, client_context(home)) as ours:
        assert (partner.get(), ours.get()) == (200, 200)
        for name, connection, reason in (("bank", partner, "unknown_client"), ("woovi", ours, "revoked")):
            assert mutua("client", "remove", name, "--force").code == 0
            until(lambda each=connection: each.get() == 403)  # type: ignore[misc]
            assert serving.refusal_of(connection.address)["reason"] == reason


def test_what_was_refused_is_shown_before_it_counts(home: Home, mutua: Run, record: Record) -> None:
    before = home.snapshot()
    result = mutua("client", "trust", "bank", "--refused", refuse(record), "--dry-run")
    assert result.code == 0, result.err
    shown = dict(line.split(maxsplit=1) for line in result.out.splitlines())
    assert shown["thumbprint"] == x5t_s256(LEAF.certificate)
    assert shown["counts"] == f"x5t#S256 {shown['thumbprint']}"
    assert shown["names"] == "api.bank.example"
    assert shown["issuer"].startswith("CN=")
    assert shown["refused"].endswith("unknown_issuer from 127.0.0.1:5: by \\x1b[2J")
    assert "ask bank for its thumbprint" in result.err
    assert home.snapshot() == before


def test_without_a_terminal_it_is_to_be_said(home: Home, mutua: Run, record: Record) -> None:
    identifier, before = refuse(record), home.snapshot()
    result = mutua("client", "trust", "bank", "--refused", identifier)
    assert result.code == 2
    assert "give --yes" in result.err
    assert home.snapshot() == before
    found = mutua("client", "trust", "bank", "--refused", identifier, "--yes", "--json").json
    assert (found["form"], found["value"]) == ("x5t#S256", x5t_s256(LEAF.certificate))


@pytest.mark.parametrize(("answer", "code", "known"), [(b"y\n", 0, True), (b"n\n", 1, False), (b"\n", 1, False)])
def test_at_a_terminal_it_asks(home: Home, record: Record, answer: bytes, code: int, known: bool) -> None:
    ours, theirs = pty.openpty()
    command = ["client", "trust", "bank", "--refused", refuse(record), "--home", str(home.path)]
    try:
        os.write(ours, answer)
        done = subprocess.run(
            [sys.executable, "-m", "mutua", *command],
            stdin=theirs,
            capture_output=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == code, done.stderr
    assert b"Is that bank? [y/N]" in done.stderr
    assert bool(home.snapshot().pins) is known


def test_any_certificate_with_its_key(home: Home, mutua: Run, record: Record) -> None:
    found = mutua("client", "trust", "bank", "--refused", refuse(record), "--by-key", "--yes", "--json").json
    assert (found["form"], found["value"]) == ("spki", spki_s256(LEAF.key.public_key()))


def test_a_name_below_its_ca_with_the_crl_that_it_names(home: Home, mutua: Run, record: Record, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(write_pem([CA.certificate]))
    ways = ("--ca", str(tmp_path / "ca.pem"), "--refused", refuse(record, with_points(LEAF.certificate, CA, URL)))
    other = mutua("client", "trust", "bank", *ways, "--san-dns", "other.example", "--yes")
    assert other.code == 2
    assert "has no san_dns other.example" in other.err
    right = mutua("client", "trust", "bank", *ways, "--san-dns", "api.bank.example", "--yes")
    assert right.code == 0, right.err
    assert f"{URL}: while it is stale" in right.out
    assert [source.url for source in home.snapshot().foreign.sources] == [URL]


def test_it_must_be_from_that_ca(mutua: Run, record: Record, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(write_pem([make_issuing_ca(make_root(organization="Bank")).certificate]))
    ways = ("--ca", str(tmp_path / "ca.pem"), "--san-dns", "api.bank.example", "--refused", refuse(record), "--yes")
    result = mutua("client", "trust", "bank", *ways)
    assert result.code == 2
    assert "from none of these CAs" in result.err


def test_a_crl_that_cannot_be_verified_is_named(mutua: Run, record: Record) -> None:
    identifier = refuse(record, with_points(LEAF.certificate, CA, URL))
    result = mutua("client", "trust", "bank", "--refused", identifier, "--dry-run")
    assert f"the CRL {URL} is not fetched" in result.err


@pytest.mark.parametrize("text", ["0123456789ab", "", "../../etc", "x" * 5000, "a\x00b"])
def test_what_nobody_remembers_is_told_as_that(mutua: Run, record: Record, text: str) -> None:
    result = mutua("client", "trust", "bank", "--refused", text, "--yes")
    assert result.code == 2
    assert "remembers the refusal" in result.err
    assert "hint:  mutua gate refusals" in result.err


def test_one_without_a_certificate_is_told_as_that(mutua: Run, record: Record) -> None:
    result = mutua("client", "trust", "bank", "--refused", refuse(record, None), "--yes")
    assert (result.code, "without a certificate" in result.err) == (2, True)


def test_bytes_that_are_no_certificate_are_told_as_that(mutua: Run, record: Record) -> None:
    assert mutua("client", "trust", "bank", "--refused", refuse(record, b"\x30\x03abc"), "--yes").code == 3


def test_one_that_is_over_is_not_trusted(home: Home, mutua: Run, record: Record) -> None:
    old = issue(CA, now=NOW - timedelta(days=30), lifetime=timedelta(days=1)).certificate
    before = home.snapshot()
    assert mutua("client", "trust", "bank", "--refused", refuse(record, old, "expired"), "--yes").code == 2
    assert home.snapshot() == before


def test_a_certificate_of_ours_stays_whose_it_is(home: Home, mutua: Run, record: Record) -> None:
    identifier = refuse(record, home.identities.load("woovi").certificate, "not_granted")
    result = mutua("client", "trust", "bank", "--refused", identifier, "--yes")
    assert result.code == 4
    assert "warning: it was refused as not_granted, which this does not change" in result.err
    assert "'woovi' is known by that already" in result.err


@pytest.mark.parametrize("options", [["--cert", "x.pem"], ["--spki", "x.pem"], ["--ca", "x.pem"], ["--san-ip", "::1"]])
def test_it_stands_alone_or_with_a_ca_and_a_name(mutua: Run, record: Record, options: list[str]) -> None:
    result = mutua("client", "trust", "bank", "--refused", refuse(record), *options)
    assert result.code == 2
    assert "by one thing" in result.err
    assert mutua("client", "trust", "bank", "--by-key", "--cert", "x.pem").code == 2
