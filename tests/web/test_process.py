"""``mutua ca serve`` as a process: what it says, what it does by itself, and how it ends."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable
from time import monotonic, sleep

import pytest
from cryptography import x509

from mutua import Home
from tests.home.crl_files import listed
from tests.missing import missing
from tests.serving import PATIENCE_SECONDS, ROOT
from tests.web.publishing import SERVE, Publishing

Publish = Callable[..., Publishing]


def refused(home: Home, *arguments: str, **environment: str) -> str:
    """What it says when it does not start; it has said nothing on stdout."""
    done = subprocess.run(
        [*SERVE, "--home", str(home.path), *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode != 0
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr


def test_it_says_where_it_listens_and_that_nobody_is_told_of_it(publish: Publish) -> None:
    server = publish()
    assert f"publishing CRLs and OCSP on {server.url}\n" in "".join(server.talk)
    assert "set revocation_url in mutua.toml" in "".join(server.talk)


def test_with_an_address_there_is_nothing_to_warn_of(addressed: tuple[Home, int], publish: Publish) -> None:
    assert "warning" not in "".join(publish(port=addressed[1]).talk)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order(publish: Publish, sent: signal.Signals) -> None:
    server = publish()
    with server.connect():
        assert server.stop(sent) == (0 if sent is signal.SIGTERM else 130)
    assert "Traceback" not in "".join(server.talk)


def test_it_listens_on_ipv6_too(publish: Publish) -> None:
    if not socket.has_ipv6:
        missing("no IPv6 here")
    server = publish("--host", "::1")
    assert f"http://[::1]:{server.port}" in "".join(server.talk)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"MUTUA_PASSPHRASE": "wrong", "MUTUA_PKCS11_PIN": "wrong"}, {"passphrase", "PIN"}),
        (
            {"MUTUA_PASSPHRASE_COMMAND": "false", "MUTUA_PKCS11_PIN": "", "MUTUA_PKCS11_PIN_COMMAND": "false"},
            {"ended with 1"},
        ),
    ],
)
def test_without_the_passphrase_or_the_pin_it_does_not_start(
    home: Home, environment: dict[str, str], said: set[str]
) -> None:
    told = refused(home, "--port", "0", **environment)
    assert any(each in told for each in said)


def test_where_another_listens_it_does_not_start(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "in use" in refused(home, "--port", str(taken.getsockname()[1]))
    assert "cannot listen" in refused(home, "--host", "192.0.2.1", "--port", "0")


def test_it_makes_the_crl_of_what_was_revoked_without_the_passphrase(home: Home, publish: Publish) -> None:
    server = publish()
    (home.path / "passphrase").rename(home.path.parent / "elsewhere")
    with Home.open(home.path) as poor:
        serial = int(poor.revocation.revoke(home.identities.load("woovi").thumbprint).serial, 16)
    deadline = monotonic() + PATIENCE_SECONDS
    while serial not in listed(home):
        assert monotonic() < deadline
        sleep(0.01)
    body = server.ask("/crl/issuing-1.crl").body
    assert [each.serial_number for each in x509.load_der_x509_crl(body)] == [serial]


def test_it_leaves_the_store_as_good_as_it_was(home: Home, publish: Publish) -> None:
    server = publish()
    server.ask("/crl/root.crl")
    server.process.kill()
    server.stop()
    assert home.audit.verify() > 0
    assert publish().ask("/crl/root.crl").status == 200
