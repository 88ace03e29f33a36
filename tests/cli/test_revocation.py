"""``mutua cert revoke``, ``mutua cert release`` and ``mutua ca crl``."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from mutua import Home
from mutua.cli.cert.revoke import REASONS
from tests.cli.conftest import Run
from tests.clock import Clock, clock
from tests.home.crl_files import listed, number, published
from tests.serving import PATIENCE_SECONDS

__all__ = ["clock"]

CRL = {"ca", "shard", "number", "this_update", "next_update", "due", "file"}


@pytest.fixture
def thumbprint(home: Home) -> str:
    return home.identities.load("woovi").thumbprint


@pytest.fixture
def serial(home: Home) -> int:
    return home.identities.load("woovi").certificate.serial_number


@pytest.mark.parametrize("reason", [each for each in REASONS if each != "ca_compromise"])
def test_a_certificate_is_revoked_by_its_thumbprint_for_a_reason(
    mutua: Run, home: Home, thumbprint: str, serial: int, reason: str
) -> None:
    result = mutua("cert", "revoke", thumbprint, "--reason", reason)
    what = "on hold" if reason == "certificate_hold" else "revoked"
    assert (result.code, result.out) == (0, f"{thumbprint} is {what}: its next request is refused\n")
    assert result.err == ""
    assert listed(home) == {serial}


def test_a_certificate_is_revoked_by_its_serial_number_in_either_case(mutua: Run, home: Home, serial: int) -> None:
    assert mutua("cert", "revoke", f"{serial:032X}").code == 0
    assert listed(home) == {serial}


def test_the_time_of_the_loss(mutua: Run, home: Home, thumbprint: str) -> None:
    found = mutua("cert", "revoke", thumbprint, "--reason", "key_compromise", "--since", "2026-01-31", "--json").json
    assert (found["reason"], found["invalid_since"]) == ("key_compromise", "2026-01-31T00:00:00+00:00")
    assert found["state"] == "revoked"
    (entry,) = published(home)
    assert entry.extensions.get_extension_for_class(x509.InvalidityDate)


@pytest.mark.parametrize("since", ["2999-01-01", "2999-01-01T00:00:00"])
def test_a_loss_in_the_future_is_a_mistake(mutua: Run, thumbprint: str, since: str) -> None:
    assert "lies in the future" in mutua("cert", "revoke", thumbprint, "--since", since).error()


@pytest.mark.parametrize("since", ["yesterday", "31.01.2026", "", "2026-02-30"])
def test_a_time_that_is_none_is_a_mistake(mutua: Run, thumbprint: str, since: str) -> None:
    assert mutua("cert", "revoke", thumbprint, "--since", since).code == 2


def test_a_hold_is_released(mutua: Run, home: Home, thumbprint: str) -> None:
    assert mutua("cert", "release", thumbprint).code == 4
    mutua("cert", "revoke", thumbprint, "--reason", "certificate_hold")
    result = mutua("cert", "release", thumbprint)
    assert (result.code, result.out) == (0, f"{thumbprint} is valid again\n")
    assert listed(home) == set()
    mutua("cert", "revoke", thumbprint)
    assert "and for good" in mutua("cert", "release", thumbprint, "--json").error()


def test_without_the_passphrase_or_the_pin_it_is_revoked_and_said_that_the_crl_waits(
    home: Home, thumbprint: str, serial: int
) -> None:
    elsewhere = (home.path / "passphrase").rename(home.path.parent / "elsewhere")
    command = [sys.executable, "-m", "mutua", "cert", "revoke", thumbprint, "--home", str(home.path)]
    poor = {**os.environ, "MUTUA_PKCS11_PIN": ""}
    done = subprocess.run(command, env=poor, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
    assert done.returncode == 0
    assert "the CRL of issuing-1 cannot be made here: " in done.stderr
    elsewhere.rename(home.path / "passphrase")
    assert thumbprint in home.snapshot().revoked
    assert listed(home) == set()
    home.crls.publish_due()
    assert listed(home) == {serial}


def test_the_lists_are_shown(mutua: Run, home: Home) -> None:
    found = mutua("ca", "crl", "--json").json
    assert [(each["ca"], each["shard"], each["number"], each["due"]) for each in found] == [
        ("issuing-1", 0, 1, False),
        ("root", 0, 1, False),
    ]
    assert set(found[0]) == CRL
    assert x509.load_der_x509_crl(Path(found[0]["file"]).read_bytes()) == published(home)
    heading, *rows = mutua("ca", "crl").out.splitlines()
    assert heading.split() == ["CA", "PART", "NUMBER", "MADE", "UNTIL", "FILE"]
    assert [row.split()[:3] for row in rows] == [["issuing-1", "whole", "1"], ["root", "whole", "1"]]


def test_those_that_are_due_are_told_of_and_made_anew(mutua: Run, home: Home, clock: Clock) -> None:
    clock.move(timedelta(days=4))
    assert mutua("ca", "crl").err.count("is due: mutua ca crl --renew") == 2
    assert all(each["due"] for each in mutua("ca", "crl", "--json").json)
    result = mutua("ca", "crl", "--renew")
    assert (result.code, "due" in result.err) == (0, False)
    assert number(published(home)) == 2
    mutua("ca", "crl", "--renew")
    assert number(published(home)) == 2
    mutua("ca", "crl", "--renew", "--all")
    assert number(published(home)) == 3


def test_one_that_is_due_and_cannot_be_made_is_an_exit_code(mutua: Run, home: Home, clock: Clock) -> None:
    with home.store.write() as connection:
        connection.exec_driver_sql("UPDATE authorities SET key = NULL WHERE id = 'root'")
    assert mutua("ca", "crl", "--renew").code == 0
    assert mutua("ca", "crl", "--renew", "--all").code == 0, "none is due"
    assert (number(published(home)), number(published(home, "root"))) == (2, 1)
    clock.move(timedelta(days=4))
    for arguments in ((), ("--json",), ("--all",)):
        assert mutua("ca", "crl", "--renew", *arguments).code == 1
    assert number(published(home)) == 4


def test_files_that_were_lost_are_written_again(mutua: Run, home: Home) -> None:
    path = home.crls.path("issuing-1")
    path.unlink()
    assert mutua("ca", "crl", "--renew").code == 0
    assert path.read_bytes() == home.crls.der("issuing-1")


def test_the_bundle_is_every_list_in_pem(home: Home) -> None:
    command = [sys.executable, "-m", "mutua", "ca", "crl", "--bundle", "--home", str(home.path)]
    done = subprocess.run(command, capture_output=True, check=True, timeout=PATIENCE_SECONDS)
    assert done.stdout == (home.crls.folder / "all.pem").read_bytes()
    assert done.stdout.count(b"BEGIN X509 CRL") == 2
