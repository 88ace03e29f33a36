"""The certificates pass the strict default contexts of Python 3.13, in both directions."""

import json
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from mutua.pki.certificates import write_pem
from mutua.pki.keys import KeyType
from mutua.tls.identity import Identity
from tests.missing import missing
from tests.pki.hierarchy import NOW, client, key_of, root, server
from tests.serving import ROOT
from tests.tls.default_contexts import handshake

KINDS = list(KeyType)
CHAINS = [(kind, kind) for kind in KINDS] + [(kind, KeyType.P256) for kind in KINDS if kind is not KeyType.P256]


@pytest.fixture(scope="module")
def python313() -> str:
    """A Python 3.13 or later; where there is none, the same flags on this Python must do."""
    if sys.version_info >= (3, 13):
        return sys.executable
    installed = sorted(Path.home().glob(".pyenv/versions/3.13.*/bin/python3.13"))
    path = str(installed[-1]) if installed else shutil.which("python3.13")
    if path is None:
        missing("no Python 3.13 is installed")
    return path


@pytest.fixture(params=CHAINS, ids=lambda kinds: f"{kinds[0]} below {kinds[1]}")
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return fill(tmp_path, *request.param)


def fill(folder: Path, kind: KeyType, ca_kind: KeyType) -> Path:
    return write(folder, root(ca_kind).certificate, server(kind, ca_kind), client(kind, ca_kind))


def write(folder: Path, anchor: x509.Certificate, server: Identity, client: Identity) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "root.pem").write_bytes(write_pem([anchor]))
    for name, identity in (("server", server), ("client", client)):
        (folder / f"{name}.pem").write_bytes(identity.chain_pem() + identity.key_pem())
    return folder


def test_the_strict_flags_on_this_python_accept_every_chain(folder: Path) -> None:
    result = handshake(folder)
    assert (result["client_error"], result["server_error"]) == ("", "")
    assert result["both_showed_a_certificate"]


def test_python_313_accepts_every_chain_by_default(python313: str, tmp_path: Path) -> None:
    folders = [str(fill(tmp_path / f"{kind}-{ca_kind}", kind, ca_kind)) for kind, ca_kind in CHAINS]
    command = [python313, "-m", "tests.tls.default_contexts", *folders]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    accepted = {
        "client_error": "",
        "server_error": "",
        "both_showed_a_certificate": True,
        "strict_by_default": True,
    }
    assert json.loads(run.stdout) == [accepted] * len(CHAINS)


def test_the_strict_flags_refuse_what_is_not_made_by_the_book(tmp_path: Path) -> None:
    # A CA without key identifiers, as old instructions make it: fine without the flags, refused with them.
    key, name = key_of("root"), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Old CA")])
    until = NOW + timedelta(days=1)

    def sign(subject: x509.Name, *extensions: x509.ExtensionType) -> x509.Certificate:
        builder = x509.CertificateBuilder(name, subject, key.public_key(), 1, NOW - timedelta(days=1), until)
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(key, SHA256())

    anchor = sign(name, x509.BasicConstraints(ca=True, path_length=None))
    leaf = Identity(key, (sign(x509.Name([]), x509.SubjectAlternativeName([x509.DNSName("localhost")])),))
    result = handshake(write(tmp_path, anchor, leaf, leaf))
    assert "certificate verify failed" in str(result["client_error"])
