import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mutua.errors import UnreadableCertificate, UnreadableFile
from mutua.pki.keys import KeyType, write_private_key
from mutua.tls.files import load_cert_chain, read_file
from tests.pki.hierarchy import client


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "identity.pem"
    path.write_bytes(b"0123456789")
    assert read_file(path, 10) == read_file(str(path), 10) == b"0123456789"
    with pytest.raises(UnreadableFile, match="larger than 9 bytes"):
        read_file(path, 9)


def test_an_endless_file_is_not_read_to_its_end() -> None:
    with pytest.raises(UnreadableFile, match="larger"):
        read_file("/dev/zero", 1024)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("missing.pem", "No such file"),
        (".", "directory"),
        ("a\x00b", "null"),
        ("x" * 300, "too long"),
        ("", "directory"),
    ],
)
def test_what_cannot_be_opened_is_named_with_the_reason(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(UnreadableFile, match=why) as caught:
        read_file(tmp_path / name, 10)
    assert repr(str(tmp_path / name)) in caught.value.message
    assert caught.value.hint


@contextmanager
def nobody_special() -> Iterator[None]:
    """Root may read every file; for the moment we are somebody else."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def test_a_file_closed_to_us_is_named_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.touch(mode=0)
    with nobody_special(), pytest.raises(UnreadableFile, match="Permission denied"):
        read_file(path, 10)


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="there are no files in memory on this system")
@pytest.mark.parametrize("kind", list(KeyType))
def test_a_key_goes_into_ssl_through_memory_and_sealed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: KeyType
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    identity = client(kind)
    context = Recording(ssl.PROTOCOL_TLS_CLIENT)
    load_cert_chain(context, identity.key, identity.chain_pem())
    assert context.target.startswith("/memfd:")
    assert context.seen.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert context.seen.endswith(identity.chain_pem())
    assert not pieces(write_private_key(identity.key)) & pieces(context.seen)
    assert not Path(context.path).exists()
    assert list(tmp_path.iterdir()) == []


def test_each_load_has_a_password_of_its_own() -> None:
    contexts = [Recording(ssl.PROTOCOL_TLS_CLIENT) for _ in range(2)]
    for context in contexts:
        load_cert_chain(context, client().key, client().chain_pem())
    one, other = (context.password for context in contexts)
    assert len(one) == len(other) == 64
    assert one != other


def test_nothing_stays_open_after_a_load_that_failed() -> None:
    before = sorted(Path("/dev/fd").iterdir())
    with pytest.raises(UnreadableCertificate):
        load_cert_chain(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), client().key, client(KeyType.P384).chain_pem())
    assert sorted(Path("/dev/fd").iterdir()) == before


class Recording(ssl.SSLContext):
    """A context that looks at the file it is given before it loads it."""

    path: str
    target: str
    seen: bytes
    password: str

    def load_cert_chain(self, certfile: Any, keyfile: Any = None, password: Any = None) -> None:
        self.path = str(certfile)
        self.target = str(Path(self.path).readlink())
        self.seen = Path(self.path).read_bytes()
        self.password = str(password)
        super().load_cert_chain(certfile, keyfile, password)


def pieces(pem: bytes) -> set[bytes]:
    """The lines of base64 of a PEM file's first block."""
    return {line for line in pem.split(b"-----END")[0].splitlines() if not line.startswith(b"-----")}
