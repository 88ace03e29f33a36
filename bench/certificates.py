"""A home with one server and one client identity for each kind of key; every server here uses them."""

from dataclasses import dataclass
from pathlib import Path

from mutua import Home
from mutua.home.home import CA_FILE
from mutua.pki.keys import KeyType
from mutua.tls.identity import CHAIN_FILE, KEY_FILE

CLIENT = "bench"
PATH = "/pix/42"


@dataclass(frozen=True)
class Files:
    """What a server needs on disk."""

    home: Path
    identity: str

    @property
    def key(self) -> Path:
        return self.home / "identities" / self.identity / KEY_FILE

    @property
    def chain(self) -> Path:
        return self.home / "identities" / self.identity / CHAIN_FILE

    @property
    def anchors(self) -> Path:
        return self.home / CA_FILE


def make_home(folder: Path, key_types: tuple[KeyType, ...], store: str | None = None) -> Home:
    home = Home.create(folder, name="Benchmark", store=store)
    home.clients.add(CLIENT, allow=["GET /pix/*", "POST /webhook/*"])
    for key_type in key_types:
        home.identities.save(
            server_identity(key_type), home.authority.issue_server("localhost", "127.0.0.1", key_type=key_type)
        )
        home.identities.save(client_identity(key_type), home.authority.issue_client(CLIENT, key_type=key_type))
    return home


def server_identity(key_type: KeyType) -> str:
    return f"server-{key_type.value}"


def client_identity(key_type: KeyType) -> str:
    return f"client-{key_type.value}"
