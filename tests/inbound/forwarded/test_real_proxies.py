"""The headers as nginx, HAProxy, Apache and Envoy send them, read by the dialect of each."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography import x509

from mutua.errors import MalformedForward
from mutua.inbound.forwarded.apache import Apache
from mutua.inbound.forwarded.certificate import ForwardedCertificate
from mutua.inbound.forwarded.dialects import Dialect
from mutua.inbound.forwarded.haproxy import HaProxy
from mutua.inbound.forwarded.nginx import Nginx
from mutua.inbound.forwarded.rfc9440 import Rfc9440
from mutua.inbound.forwarded.xfcc import Xfcc
from mutua.pki.certificates import write_der
from mutua.pki.keys import KeyType
from mutua.tls.identity import Identity
from tests.inbound.forwarded.proxies import Ask, proxy
from tests.inbound.forwarded.writing import CASES, OTHER_LEAF, element
from tests.pki.hierarchy import client, issue, issuing_ca, make_root

Start = Callable[..., Ask]

ALL_DETAILS = "{cert: true, chain: true, subject: true, uri: true, dns: true}"
DOORS: dict[str, tuple[str, Dialect, dict[str, str]]] = {
    "nginx": ("nginx", Nginx(), {}),
    "haproxy": ("haproxy", HaProxy(), {}),
    "haproxy with RFC 9440": ("haproxy", Rfc9440(), {}),
    "apache": ("apache2", Apache(), {}),
    "envoy": ("envoy", Xfcc(), {"forward": "SANITIZE_SET", "details": "{cert: true}"}),
    "envoy with all": ("envoy", Xfcc(), {"forward": "SANITIZE_SET", "details": ALL_DETAILS}),
    "envoy with the chain": ("envoy", Xfcc(), {"forward": "SANITIZE_SET", "details": "{chain: true}"}),
    "envoy that appends": ("envoy", Xfcc(append=True), {"forward": "APPEND_FORWARD", "details": ALL_DETAILS}),
}
WITH_CHAIN = {"haproxy", "apache", "envoy with all", "envoy with the chain", "envoy that appends"}


@pytest.fixture
def start(peer: Callable[[str], str], tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda program, **settings: stack.enter_context(proxy(program, peer(program), tmp_path, **settings))


def shown(identity: Identity, *, chain: bool) -> ForwardedCertificate:
    leaf, *rest = map(write_der, identity.chain)
    return ForwardedCertificate(leaf, tuple(rest) if chain else ())


@pytest.mark.parametrize("name", DOORS)
def test_the_certificate_arrives(start: Start, name: str) -> None:
    program, dialect, settings = DOORS[name]
    ask = start(program, **settings)
    chain = name in WITH_CHAIN
    for identity in (client(), client(KeyType.RSA4096), issue(make_root())):
        assert dialect.read(ask(identity)) == shown(identity, chain=chain)
    assert dialect.read(ask()) is None


@pytest.mark.parametrize("name", [name for name in DOORS if name != "envoy that appends"])
def test_what_the_client_sent_is_gone(start: Start, name: str) -> None:
    """With the configuration of each dialect's documentation, on requests with a certificate and without."""
    program, dialect, settings = DOORS[name]
    ask = start(program, **settings)
    forged = {header: lines[0].decode() for header, lines in _forged(dialect).items()}
    assert dialect.read(ask(None, forged)) is None
    found = dialect.read(ask(client(), forged))
    assert found is not None
    assert found.leaf == write_der(client().certificate)


def _forged(dialect: Dialect) -> dict[str, list[bytes]]:
    return CASES[dialect.name].write(OTHER_LEAF)


@pytest.mark.parametrize("start_of", ["", 'By="', "By=\\", 'Subject="\\'])
def test_what_the_client_sent_stands_before_what_envoy_appends(start: Start, start_of: str) -> None:
    ask = start("envoy", forward="APPEND_FORWARD", details="{cert: true}")
    own = start_of or element(OTHER_LEAF).partition(b";URI=")[0].decode()
    lines = ask(client(), {"x-forwarded-client-cert": own})
    assert lines["x-forwarded-client-cert"][0].startswith(own.encode() + b",Hash=")
    try:
        found = Xfcc(append=True).read(lines)
    except MalformedForward:
        assert start_of
    else:
        assert found == shown(client(), chain=False)
    assert ask(None, {"x-forwarded-client-cert": own}).get("x-forwarded-client-cert") is None


@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize("kind", [x509.UniformResourceIdentifier, x509.DNSName])
def test_a_name_with_an_element_in_it_becomes_nobody_else(
    start: Start, kind: Callable[[str], x509.GeneralName], separator: str
) -> None:
    victim = element(OTHER_LEAF).partition(b";Chain=")[0].decode()
    attacker = _with_name(kind(f"a{separator}{victim}"))
    for forward in ("SANITIZE_SET", "APPEND_FORWARD"):
        lines = start("envoy", forward=forward, details="{cert: true, uri: true, dns: true}")(attacker)
        assert lines["x-forwarded-client-cert"][0].decode().endswith(f"=a{separator}{victim}")
        for dialect in (Xfcc(), Xfcc(append=True)):
            with pytest.raises(MalformedForward):
                dialect.read(lines)


@pytest.mark.parametrize("common_name", ['a"', "a\\", 'a",Hash=0;Cert="x', 'ü,;=\\"', 'a\\",By=b'])
def test_a_subject_of_quotes_and_backslashes_is_read_over(start: Start, common_name: str) -> None:
    identity = issue(issuing_ca(), names=["woovi"], common_name=common_name)
    ask = start("envoy", forward="SANITIZE_SET", details="{cert: true, subject: true}")
    assert Xfcc().read(ask(identity)) == shown(identity, chain=False)


def _with_name(name: x509.GeneralName) -> Identity:
    """A client whose certificate has just this alternative name."""
    made = client()
    old = made.certificate
    builder = x509.CertificateBuilder(
        old.issuer,
        old.subject,
        old.public_key(),
        old.serial_number,
        old.not_valid_before_utc,
        old.not_valid_after_utc,
    ).add_extension(x509.SubjectAlternativeName([name]), critical=False)
    algorithm = old.signature_hash_algorithm
    return Identity(made.key, (builder.sign(issuing_ca().key, algorithm), issuing_ca().certificate))  # type: ignore[arg-type]
