"""Partners get in by what they brought, over real connections, and whoever imitates one does not."""

import ssl
from collections.abc import Callable

import pytest
from cryptography import x509

from mutua import Home, Identity
from mutua.errors import TooManyPartners
from mutua.home import credentials
from mutua.pki.certificates import write_der
from mutua.registry.credentials import Form
from mutua.registry.partners import Introduction, by_certificate, by_key, by_subject
from tests.inbound.connections import LiveConnection, until
from tests.pki.hierarchy import NOW, issue, make_issuing_ca, make_root
from tests.serving import Serving

ROOT = make_root(organization="Bank")
CA = make_issuing_ca(ROOT)
LEAF = issue(CA, names=["api.bank.example"])
SELF_SIGNED = make_root(organization="Alone")
ALONE = Identity(SELF_SIGNED.key, (SELF_SIGNED.certificate,))


def below(leaf: Identity, *sent: x509.Certificate) -> Identity:
    """The identity as it sends exactly these CAs along."""
    return Identity(leaf.key, (leaf.certificate, *sent))


SENT = below(LEAF, CA.certificate)

WAYS: dict[str, tuple[Introduction, Identity]] = {
    "pin": (by_certificate([LEAF.certificate], now=NOW), below(LEAF)),
    "key": (by_key([LEAF.certificate]), below(LEAF)),
    "root and name": (by_subject([ROOT.certificate], Form.DNS, "api.bank.example", now=NOW), SENT),
    "issuing CA and name": (by_subject([CA.certificate], Form.DNS, "api.bank.example", now=NOW), below(LEAF)),
}


@pytest.fixture
def bank(home: Home) -> str:
    home.clients.add("bank", allow=["GET /**"])
    return "bank"


def status(serving: Serving, identity: Identity, home: Home, version: ssl.TLSVersion | None = None) -> int | None:
    """What the server answers; nothing where the handshake fails."""
    try:
        with LiveConnection(serving.port, context_of(identity, home, version)) as connection:
            return connection.get()
    except (ssl.SSLError, ConnectionError):
        return None


def context_of(identity: Identity, home: Home, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    context = identity.client_context(home.trust)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


@pytest.mark.parametrize("way", WAYS)
def test_a_partner_gets_in_while_the_server_runs(
    home: Home, bank: str, serve: Callable[..., Serving], way: str
) -> None:
    introduction, identity = WAYS[way]
    serving = serve()
    assert status(serving, identity, home) is None
    home.credentials.add(bank, introduction)
    until(lambda: status(serving, identity, home) == 200)
    line = serving.next_line("admitted")
    assert line["client"] == "bank"
    assert status(serving, home.identities.load("woovi"), home) == 200

    with LiveConnection(serving.port, context_of(identity, home)) as live:
        assert live.get() == 200
        home.credentials.remove(bank, introduction.credential)
        until(lambda: live.get() == 403)
        assert serving.refusal_of(live.address)["reason"] == "unknown_client"
    until(lambda: status(serving, identity, home) is None)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_resumed_session_of_a_partner_is_still_its_own(
    home: Home, bank: str, serve: Callable[..., Serving], version: ssl.TLSVersion
) -> None:
    introduction, identity = WAYS["issuing CA and name"]
    home.credentials.add(bank, introduction)
    serving, context = serve(), context_of(identity, home, version)
    with LiveConnection(serving.port, context) as first:
        assert first.get() == 200
        session = first.tls.session
    with LiveConnection(serving.port, context, session) as again:
        assert again.tls.session_reused
        assert again.get() == 200
        home.clients.suspend(bank)
        until(lambda: again.get() == 403)


def test_a_ca_of_the_same_name_with_another_key_is_a_stranger(
    home: Home, bank: str, serve: Callable[..., Serving]
) -> None:
    home.credentials.add(bank, WAYS["issuing CA and name"][0])
    impostor = make_issuing_ca(make_root(organization="Bank"))
    assert impostor.certificate.subject == CA.certificate.subject
    forged = issue(impostor, names=["api.bank.example"])
    serving = serve()
    for chain in ((), (CA.certificate,), (impostor.certificate,), (impostor.certificate, CA.certificate)):
        assert status(serving, below(forged, *chain), home) is None
    serving.stop()
    assert serving.reached() == []


def test_a_pinned_ca_that_is_only_sent_along_proves_nothing(
    home: Home, bank: str, serve: Callable[..., Serving]
) -> None:
    """The leaf is one partner's, and behind it stands the CA that another one is known by."""
    home.clients.add("shop", allow=["GET /**"])
    other = make_root(organization="Shop")
    home.credentials.add("shop", by_subject([other.certificate], Form.DNS, "shop.example", now=NOW))
    home.credentials.add(bank, WAYS["root and name"][0])
    forged = issue(other, names=["api.bank.example"])
    serving = serve()
    assert status(serving, below(forged, ROOT.certificate, CA.certificate), home) == 403
    assert serving.next_line("refused")["reason"] == "unknown_client"


def test_what_a_pinned_certificate_signs_is_nobodys(home: Home, bank: str, serve: Callable[..., Serving]) -> None:
    home.clients.add("alone", allow=["GET /**"])
    home.credentials.add("alone", by_certificate([SELF_SIGNED.certificate], now=NOW))
    home.credentials.add(bank, WAYS["root and name"][0])
    forged = issue(SELF_SIGNED, names=["api.bank.example"])
    serving = serve()
    assert status(serving, below(forged), home) == 403
    assert serving.next_line("refused")["reason"] == "unknown_client"


def test_a_certificate_of_the_pinned_ca_for_another_name_is_refused(
    home: Home, bank: str, serve: Callable[..., Serving]
) -> None:
    home.credentials.add(bank, WAYS["issuing CA and name"][0])
    serving = serve()
    assert status(serving, below(issue(CA, names=["other.bank.example"])), home) == 403
    line = serving.next_line("refused")
    assert (line["reason"], line["detail"]) == (
        "unknown_client",
        "no client is known by any of its names below that CA",
    )


def test_the_gate_takes_a_thousand_certificates_of_partners_and_no_more(
    home: Home, bank: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "MAX_ANCHORS", 2)
    for _ in range(2):
        home.credentials.add(bank, by_certificate([make_root().certificate], now=NOW))
    before = home.snapshot()
    with pytest.raises(TooManyPartners):
        home.credentials.add(bank, by_certificate([make_root().certificate], now=NOW))
    assert home.snapshot() == before
    assert len({write_der(each) for each in home.trust_in_clients.partners}) == 2
