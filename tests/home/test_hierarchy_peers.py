"""OpenSSL, GnuTLS, pkilint and Python's strict contexts take what each CA may issue, and refuse what it may not."""

import subprocess
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from pkilint.bin import lint_pkix_cert, lint_pkix_signer_signee_cert_chain  # type: ignore[import-untyped]

from mutua import Home, Identity
from mutua.ca.hierarchy import Purpose, draft_issuing_ca
from mutua.ca.issuance import draft_end_entity
from mutua.errors import InvalidAuthority, InvalidName, UnknownAuthority
from mutua.pki.certificates import write_pem
from mutua.pki.keys import PrivateKey
from mutua.pki.names import parse_name
from mutua.pki.profiles import CLIENT, SERVER, Profile
from mutua.pki.randomness import generate_key, new_serial
from mutua.store.authorities import AuthorityRecord
from tests.conftest import CHEAP_SEALING
from tests.tls.default_contexts import handshake

PURPOSES = {SERVER: ("sslserver", "1.3.6.1.5.5.7.3.1"), CLIENT: ("sslclient", "1.3.6.1.5.5.7.3.2")}
PARTNERS_NAMES = ("acme.example", "10.0.0.0/8", "@acme.example")


class Case(NamedTuple):
    """A certificate somewhere below the root; ``wrong`` says what others must find in it, or nothing."""

    ca: str
    profile: Profile
    names: tuple[str, ...]
    wrong: str = ""


OPENSSL = {
    "": "",
    "purpose": "unsuitable certificate purpose",
    "names": "permitted subtree violation",
    "path length": "path length constraint exceeded",
}
GNUTLS = {
    "": "Verified. The certificate is trusted.",
    "purpose": "does not match the intended purpose",
    "names": "violates the signer's constraints",
    "path length": "violates the signer's constraints",
}

GOOD = {
    "a server's below the CA for servers": Case("servers", SERVER, ("api.acme.example", "127.0.0.1")),
    "a client's below the CA for clients": Case("clients", CLIENT, ("woovi.example",)),
    "a server's below the CA for all": Case("issuing-1", SERVER, ("api.acme.example",)),
    "a client's below the CA for all": Case("issuing-1", CLIENT, ("woovi.example",)),
    "a name of the partner": Case("partner-acme", CLIENT, ("pay.acme.example",)),
    "every kind of name of the partner": Case(
        "partner-acme", CLIENT, ("acme.example", "10.1.2.3", "ops@acme.example", "a.b.acme.example")
    ),
    "a client's two CAs down": Case("partner-deep", CLIENT, ("woovi.example",)),
}
BAD = {
    "a server's below the CA for clients": Case("clients", SERVER, ("api.acme.example",), "purpose"),
    "a client's below the CA for servers": Case("servers", CLIENT, ("woovi.example",), "purpose"),
    "a server's two CAs below one for clients": Case("partner-deep", SERVER, ("api.acme.example",), "purpose"),
    "a domain of nobody's": Case("partner-acme", CLIENT, ("evil.example",), "names"),
    "a domain that ends like the partner's": Case("partner-acme", CLIENT, ("evilacme.example",), "names"),
    "an address outside the network": Case("partner-acme", CLIENT, ("11.0.0.1",), "names"),
    "mail of another domain": Case("partner-acme", CLIENT, ("ops@evil.example",), "names"),
    "one good name and one bad": Case("partner-acme", CLIENT, ("acme.example", "evil.example"), "names"),
    "one below a CA that may have none below it": Case("too deep", CLIENT, ("woovi.example",), "path length"),
}


@pytest.fixture(scope="module")
def hierarchy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home with a CA for each purpose, one for a partner's names, and one below another."""
    with Home.create(tmp_path_factory.mktemp("deep") / "home", name="Acme", sealing_cost=CHEAP_SEALING) as home:
        home.hierarchy.add("servers", purpose=Purpose.SERVER)
        home.hierarchy.add("clients", purpose=Purpose.CLIENT)
        home.hierarchy.add("partner-acme", purpose=Purpose.CLIENT, names=PARTNERS_NAMES)
        home.hierarchy.add("partners", purpose=Purpose.CLIENT, path_length=1)
        home.hierarchy.add("partner-deep", purpose=Purpose.CLIENT, parent="partners")
        home.clients.add("woovi")
        yield home


def identity(home: Home, case: Case) -> Identity:
    """Signed with the CA's key, past every rule of ours."""
    key, now = generate_key(), home.now()
    issuer, signer, above = _issuer(home, case.ca)
    draft = draft_end_entity(
        case.profile,
        [parse_name(name) for name in case.names],
        key.public_key(),
        issuer=issuer,
        serial=new_serial(),
        now=now,
    )
    return Identity(key, (draft.sign(signer), *above))


def issued(home: Home, case: Case) -> Identity:
    """The same by our rules."""
    if case.profile is SERVER:
        return home.authority.issue_server(*case.names, authority=case.ca)
    return home.authority.issue_client("woovi", *case.names, authority=case.ca)


def _issuer(home: Home, name: str) -> tuple[x509.Certificate, PrivateKey, tuple[x509.Certificate, ...]]:
    known = {each.id: each for each in home.hierarchy.everyone()}
    if name != "too deep":
        return known[name].certificate, home.keys.of(known[name]), tuple(_above(known, name))
    # Below a CA with the path length 0, whose draft pretends that it has more.
    key, clients = generate_key(), known["clients"]
    draft = draft_issuing_ca(
        "Acme", key.public_key(), root=known["root"].certificate, serial=new_serial(), now=home.now()
    )
    made = draft._replace(issuer=clients.certificate).sign(home.keys.of(clients))
    return made, key, (made, *_above(known, "clients"))


def _above(known: dict[str, AuthorityRecord], name: str) -> Iterator[x509.Certificate]:
    while name != "root":
        yield known[name].certificate
        name = str(known[name].parent)


class Files(NamedTuple):
    """What the others are given."""

    root: Path
    bundle: Path
    between: Path
    leaf: Path
    chain: Path


@pytest.fixture
def write(hierarchy: Home, tmp_path: Path) -> Callable[[Identity], Files]:
    def written(who: Identity) -> Files:
        files = Files(*(tmp_path / f"{name}.pem" for name in Files._fields))
        files.root.write_bytes(write_pem([hierarchy.hierarchy.root.certificate]))
        files.bundle.write_bytes((hierarchy.path / "ca.pem").read_bytes())
        files.between.write_bytes(write_pem(who.chain[1:]))
        files.leaf.write_bytes(write_pem(who.chain[:1]))
        files.chain.write_bytes(write_pem(who.chain))
        return files

    return written


def run(*command: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("anchors", ["root", "bundle"])
@pytest.mark.parametrize("what", [*GOOD, *BAD])
def test_openssl_holds_every_ca_to_its_word(
    hierarchy: Home, write: Callable[[Identity], Files], peer: Callable[[str], str], what: str, anchors: str
) -> None:
    case = {**GOOD, **BAD}[what]
    files = write(identity(hierarchy, case))
    for partial in ([], ["-partial_chain"]):
        said = run(
            peer("openssl"), "verify", "-x509_strict", *partial, "-purpose", PURPOSES[case.profile][0],
            "-CAfile", getattr(files, anchors), "-untrusted", files.between, files.leaf,
        )  # fmt: skip
        assert said.returncode == (2 if case.wrong else 0), said.stderr
        assert OPENSSL[case.wrong] in said.stderr


@pytest.mark.parametrize("anchors", ["root", "bundle"])
@pytest.mark.parametrize("what", [*GOOD, *BAD])
def test_gnutls_holds_every_ca_to_its_word(
    hierarchy: Home, write: Callable[[Identity], Files], peer: Callable[[str], str], what: str, anchors: str
) -> None:
    case = {**GOOD, **BAD}[what]
    files = write(identity(hierarchy, case))
    said = run(
        peer("certtool"), "--verify", "--load-ca-certificate", getattr(files, anchors), "--infile", files.chain,
        "--verify-purpose", PURPOSES[case.profile][1],
    )  # fmt: skip
    assert said.returncode == (1 if case.wrong else 0), said.stdout
    assert GNUTLS[case.wrong] in said.stdout


def test_pkilint_finds_nothing_in_any_ca(hierarchy: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = {each.id: each for each in hierarchy.hierarchy.everyone()}
    for each in known.values():
        (tmp_path / f"{each.id}.pem").write_bytes(write_pem([each.certificate]))
    for each in known.values():
        path, above = tmp_path / f"{each.id}.pem", tmp_path / f"{each.parent or each.id}.pem"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # it leaves its files to the garbage collector
            lint_pkix_cert.main(["lint", "-s", "WARNING", str(path)])
            lint_pkix_signer_signee_cert_chain.main(["lint", "-s", "WARNING", str(above), str(path)])
    assert capsys.readouterr().out.strip() == ""


@pytest.mark.parametrize(
    ("server", "client", "wrong"),
    [
        ("servers", "clients", ""),
        ("issuing-1", "partner-deep", ""),
        ("clients", "clients", "server"),
        ("servers", "servers", "client"),
        ("servers", "partner-acme", "client"),
        ("servers", "too deep", "client"),
    ],
)
def test_the_strict_contexts_of_python_hold_every_ca_to_its_word(
    hierarchy: Home, tmp_path: Path, server: str, client: str, wrong: str
) -> None:
    (tmp_path / "root.pem").write_bytes(write_pem([hierarchy.hierarchy.root.certificate]))
    shown = {"server": Case(server, SERVER, ("localhost",)), "client": Case(client, CLIENT, ("woovi.example",))}
    for name, case in shown.items():
        who = identity(hierarchy, case)
        (tmp_path / f"{name}.pem").write_bytes(who.chain_pem() + who.key_pem())
    result = handshake(tmp_path)
    # Whoever is shown the wrong certificate says so, and the other one is told.
    refused_by = {"server": "client_error", "client": "server_error", "": ""}[wrong]
    assert result["both_showed_a_certificate"] == (not wrong)
    for error in ("client_error", "server_error"):
        assert ("certificate verify failed" in str(result[error])) == (error == refused_by), result


@pytest.mark.parametrize("what", BAD)
def test_none_of_it_is_issued_by_us(hierarchy: Home, what: str) -> None:
    case = BAD[what]
    if case.wrong == "path length":
        with pytest.raises(InvalidAuthority, match="cannot have"):
            hierarchy.hierarchy.add("deeper", parent="clients", purpose=Purpose.CLIENT)
        return
    before = hierarchy.audit.verify()
    with pytest.raises(InvalidName if case.wrong == "names" else UnknownAuthority) as refused:
        issued(hierarchy, case)
    assert refused.value.hint
    assert hierarchy.audit.verify() == before


@pytest.mark.parametrize("what", GOOD)
def test_all_the_rest_is(hierarchy: Home, what: str) -> None:
    case = GOOD[what]
    made = issued(hierarchy, case)
    assert hierarchy.authority.certificate(made.thumbprint).authority == case.ca
    assert made.chain[1:] == tuple(_above({each.id: each for each in hierarchy.hierarchy.everyone()}, case.ca))
