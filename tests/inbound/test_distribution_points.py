"""A certificate that somebody shows names an address: nobody goes there unless it was registered."""

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from cryptography import x509

from mutua import Home, Identity
from mutua.home.foreign_crls import ForeignCrls
from mutua.registry.credentials import Form
from mutua.registry.foreign_crls import with_crls
from mutua.registry.partners import by_certificate, by_key, by_subject
from tests.home.crl_server import CrlServer, body, serving
from tests.inbound.connections import LiveConnection, until
from tests.pki.hierarchy import NOW, issue, make_issuing_ca, make_root
from tests.pki.revocation_lists import crl, with_points
from tests.serving import Serving

ROOT = make_root(organization="Bank")
CA = make_issuing_ca(ROOT)
LEAF = issue(CA, names=["api.bank.example"])
OTHER = issue(CA, names=["pay.bank.example"])
STRANGER = make_issuing_ca(make_root(organization="Stranger"))
FOREIGN = issue(STRANGER, names=["api.bank.example"])


@pytest.fixture
def web() -> Iterator[CrlServer]:
    """What is within the network, on this very machine."""
    with serving(body(crl(CA))) as made:
        yield made


@pytest.fixture
def bank(home: Home) -> str:
    """Known by a CA and a name, by a key, and by a certificate that names no address."""
    with (home.path / "mutua.toml").open("a") as settings:
        settings.write("\n[foreign_crls]\nallow_private = true\n")  # the rule of addresses is not what protects here
    home.clients.add("bank", allow=["GET /**"])
    home.credentials.add("bank", by_subject([CA.certificate], Form.DNS, "api.bank.example", now=NOW))
    home.credentials.add("bank", by_key([OTHER.certificate]))
    return "bank"


def showing(leaf: x509.Certificate, identity: Identity, *sent: x509.Certificate) -> Identity:
    return Identity(identity.key, (leaf, *sent))


def ask(running: Serving, home: Home, identity: Identity) -> int | None:
    with suppress(OSError), LiveConnection(running.port, identity.client_context(home.trust)) as connection:
        return connection.get()
    return None


def test_what_is_shown_makes_nobody_fetch(home: Home, bank: str, web: CrlServer, serve: Callable[..., Serving]) -> None:
    shown = {
        "known by its name": (showing(with_points(LEAF.certificate, CA, web.url("/leaf")), LEAF), 200),
        "with its CA sent along": (
            showing(
                with_points(LEAF.certificate, CA, web.url("/sent")),
                LEAF,
                with_points(CA.certificate, ROOT, web.url("/ca")),
            ),
            200,
        ),
        "known by its key": (showing(with_points(OTHER.certificate, CA, web.url("/key")), OTHER), 200),
        "from a stranger's CA": (
            showing(with_points(FOREIGN.certificate, STRANGER, web.url("/stranger")), FOREIGN),
            None,
        ),
    }
    running = serve()
    for identity, status in shown.values():
        assert ask(running, home, identity) == status
    # The next that is registered is fetched after all that was asked for before.
    pinned = [with_points(issue(CA).certificate, CA, web.url("/registered")), CA.certificate]
    home.credentials.add(bank, with_crls(by_certificate(pinned, now=NOW), pinned))
    until(lambda: web.requests)
    running.stop()
    ForeignCrls(home).fetch_due(anyway=True)
    assert {request.split()[1] for request in web.requests} == {b"/registered"}
    assert [state.source.url for state in ForeignCrls(home).states()] == [web.url("/registered")]
