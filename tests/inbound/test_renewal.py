"""The server's certificate is replaced while it serves: nobody notices, and the newest is soon in use."""

import ssl
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from mutua import Home, Identity
from mutua.inbound.live_identity import LiveIdentity
from mutua.pki.thumbprints import x5t_s256
from mutua.tls.identity import CHAIN_FILE, KEY_FILE
from mutua.tls.trust import Trust
from tests.conftest import CHEAP_SEALING, soak
from tests.inbound.certificates import unregistered_identity
from tests.inbound.connections import LiveConnection, client_context, until
from tests.serving import Serving

REPLACE_SECONDS = 0.05


def served(serving: Serving, context: ssl.SSLContext) -> str:
    """The thumbprint of the certificate a new connection is shown; the connection is used as well."""
    with LiveConnection(serving.port, context) as connection:
        assert connection.get() == 200
        leaf = connection.tls.getpeercert(binary_form=True)
    assert leaf is not None
    return x5t_s256(leaf)


@pytest.mark.soak
def test_no_request_fails_while_the_certificate_is_replaced_again_and_again(
    home: Home, serve: Callable[..., Serving], loop: str
) -> None:
    serving, context = serve(loop=loop), client_context(home)
    stop, newest, shown = threading.Event(), [""], set()

    def renew() -> None:
        while not stop.wait(REPLACE_SECONDS):
            identity = home.authority.issue_server("localhost", "127.0.0.1")
            home.identities.save("api", identity, replace=True)
            newest[0] = identity.thumbprint

    renewing = threading.Thread(target=renew)
    renewing.start()
    requests = soak(share=600, whole=10_000)
    try:
        with LiveConnection(serving.port, context) as live:
            for _ in range(requests // 2):
                assert live.get() == 200
                shown.add(served(serving, context))
    finally:
        stop.set()
        renewing.join()
    assert len(shown) > 1
    until(lambda: served(serving, context) == newest[0])


def test_each_replacement_comes_into_use(home: Home, serve: Callable[..., Serving], loop: str) -> None:
    serving, context = serve(loop=loop), client_context(home)
    for _ in range(5):
        identity = home.authority.issue_server("localhost", "127.0.0.1")
        home.identities.save("api", identity, replace=True)
        until(lambda newest=identity.thumbprint: served(serving, context) == newest)  # type: ignore[misc]


def junk(folder: Path, home: Home) -> None:
    (folder / CHAIN_FILE).write_bytes(b"\x00junk")


def half_written(folder: Path, home: Home) -> None:
    (folder / KEY_FILE).write_bytes((folder / KEY_FILE).read_bytes()[:40])


def another_key(folder: Path, home: Home) -> None:
    (folder / KEY_FILE).write_bytes(home.authority.issue_server("localhost").key_pem())


def gone(folder: Path, home: Home) -> None:
    (folder / CHAIN_FILE).unlink()


@pytest.mark.parametrize("damage", [junk, half_written, another_key, gone])
def test_a_damaged_identity_is_warned_of_and_the_last_good_one_serves_on(
    damage: Callable[[Path, Home], None], home: Home, serve: Callable[..., Serving]
) -> None:
    serving, context = serve(), client_context(home)
    good = home.identities.load("api").thumbprint
    damage(home.identities.path("api"), home)
    until(lambda: "WARNING: the identity" in serving.talk)
    assert served(serving, context) == good
    mended = home.authority.issue_server("localhost", "127.0.0.1")
    home.identities.save("api", mended, replace=True)
    until(lambda: served(serving, context) == mended.thumbprint)


def test_a_ca_that_joins_the_store_is_believed_by_the_next_connection(
    home: Home, serve: Callable[..., Serving], loop: str, tmp_path: Path
) -> None:
    serving = serve(loop=loop)
    with Home.create(tmp_path / "other", name="Other", sealing_cost=CHEAP_SEALING) as other:
        stranger, root = unregistered_identity(other), other.hierarchy.root
        key = other.keys.of(root)
    context = stranger.client_context(home.trust)

    def status() -> int | None:
        try:
            with LiveConnection(serving.port, context) as connection:
                return connection.get()
        except ssl.SSLError:
            return None

    assert status() is None
    assert serving.next_line("refused")["reason"] == "unknown_issuer"
    home.hierarchy.take_in("elsewhere", Identity(key, (root.certificate,)))
    until(lambda: status() == 403)
    while (line := serving.next_line("refused"))["reason"] == "unknown_issuer":
        continue
    assert (line["reason"], line["thumbprint"]) == ("unknown_client", stranger.thumbprint)


def test_a_context_that_is_built_anew_demands_as_much_as_the_one_before(home: Home) -> None:
    trusts = [home.trust]
    for optional, mode in ((False, ssl.CERT_REQUIRED), (True, ssl.CERT_OPTIONAL)):
        with closing(
            LiveIdentity(home.identities.load("api"), lambda: trusts[-1], certificate_optional=optional)
        ) as live:
            before = live.context
            trusts.append(Trust(home.trust.anchors))
            live.look()
            assert live.context is not before
            assert (before.verify_mode, live.context.verify_mode) == (mode, mode)


def test_a_context_is_built_anew_only_when_something_changed(home: Home, tmp_path: Path) -> None:
    trusts = [home.trust]
    live = LiveIdentity(home.identities.load("api"), lambda: trusts[-1])
    try:
        before = live.context
        live.look()
        assert live.context is before
        with Home.create(tmp_path / "other", name="Other", sealing_cost=CHEAP_SEALING) as other:
            trusts.append(Trust((*home.trust.anchors, *other.trust.anchors)))
        live.look()
        assert live.context is not before
        assert len(live.context.get_ca_certs()) == len(before.get_ca_certs()) + 2
    finally:
        live.close()
