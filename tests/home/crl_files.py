"""What is published of a home's CRLs, read as a stranger reads it."""

from collections.abc import Callable

import pytest
from cryptography import x509

from mutua import Home
from mutua.home import crls
from mutua.pki.crl import CrlDraft, read_crl
from mutua.pki.keys import PrivateKey
from mutua.store.crls import WHOLE


@pytest.fixture
def while_signing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Has something done once while a CRL is between its reading and its writing."""

    def arrange(act: Callable[[], object]) -> None:
        waiting = [act]

        class Interrupted(CrlDraft):
            def sign(self, key: PrivateKey) -> bytes:
                if waiting:
                    waiting.pop()()
                return super().sign(key)

        monkeypatch.setattr(crls, "CrlDraft", Interrupted)

    return arrange


def published(home: Home, authority: str = "issuing-1", shard: int = WHOLE) -> x509.CertificateRevocationList:
    """The CRL in its file."""
    return read_crl(home.crls.path(authority, shard).read_bytes())


def number(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def numbers(home: Home) -> dict[tuple[str, int], int]:
    """The number of every CRL in the store."""
    return {place: record.number for place, record in home.crls.everything().items()}


def listed(home: Home, authority: str = "issuing-1", shard: int = WHOLE) -> set[int]:
    """The serial numbers in the file."""
    return {each.serial_number for each in published(home, authority, shard)}
