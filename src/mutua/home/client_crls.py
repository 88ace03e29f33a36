"""The revocation lists of every CA that a proxy verifies clients with, partners' too, in one file of the home.

nginx refuses everybody below a CA of which it has no current list, once it has any. So the file is of use only where
nobody is ``uncovered``.
"""

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mutua.gate.foreign import ForeignRevocations, key_of
from mutua.home.files import PUBLIC_FILE, alone, clear_away, update_file
from mutua.home.foreign_crls import ForeignCrls
from mutua.pki.certificates import may_sign
from mutua.pki.dn import DistinguishedName
from mutua.store import credentials, crls, foreign_crls
from mutua.store.crls import WHOLE
from mutua.tls.trust import Trust

if TYPE_CHECKING:
    from pathlib import Path

    from mutua.home.home import Home

CLIENT_CRLS_FILE = "client-crls.pem"

_EVERYTHING = frozenset({True, False})
"""What a complete list is for: CAs' certificates, and others."""


class ClientCrls:
    """Keeps the file current.

    Args:
        home: whose.
    """

    def __init__(self, home: "Home") -> None:
        self._home = home
        self._written: object = None

    @property
    def path(self) -> "Path":
        """Where it is."""
        return self._home.path / CLIENT_CRLS_FILE

    def write(self) -> None:
        """Bring the file in line with the store, where there is one or partners have lists.

        It is gone, as the file of our own lists is, once ours are cut into parts: nginx could not read them.

        Raises:
            DiskFull, UnreadableFile: it cannot be written, and stays as it was.
        """
        with self._home.store.read() as connection:
            asked = {source.url for source in credentials.crl_sources(connection)}
            theirs = {url: each for url, each in foreign_crls.digests(connection).items() if url in asked}
            ours = {place: each.number for place, each in crls.everything(connection).items()}
        is_there, is_whole = self.path.is_file(), all(shard == WHOLE for _, shard in ours)
        if not (is_there or (theirs and is_whole)) or (is_there and self._written == (theirs, ours)):
            return
        with alone(self._home.path):
            clear_away(self._home.path, CLIENT_CRLS_FILE)
            if is_whole:
                update_file(self.path, self._home.crls.bundle() + self._partners(), mode=PUBLIC_FILE)
            else:
                self.path.unlink(missing_ok=True)
        self._written = theirs, ours

    def uncovered(self) -> list[str]:
        """The names of those among the partners' certificates of whose clients nginx could not know what is revoked.

        Text of others: not fit to be shown as it is.
        """
        trust = self._home.trust_in_clients
        with self._home.store.read() as connection:
            known = ForeignCrls(self._home).load(connection)
        shared = _shared_names(trust)
        return [
            str(DistinguishedName.of(each.subject))
            for each in dict.fromkeys(trust.partners + trust.intermediates)
            if each.subject in shared or not self._is_covered(each, known)
        ]

    def _is_covered(self, certificate: x509.Certificate, known: ForeignRevocations) -> bool:
        """Whether its own list is there, in case that it signs others or itself."""
        if not may_sign(certificate):
            return certificate.subject != certificate.issuer
        now, covered = self._home.now(), set[bool]()
        for each in known.loaded.values():
            crl = each.crl
            if crl and crl.authority == key_of(certificate) and not crl.places and now <= crl.next_update:
                covered |= crl.kinds
        return covered == _EVERYTHING

    def _partners(self) -> bytes:
        """The lists that partners' CAs have signed, in PEM, also those that have ended."""
        found: dict[str, bytes] = {}
        shared = _shared_names(self._home.trust_in_clients)
        with self._home.store.read() as connection:
            for url, loaded in ForeignCrls(self._home).load(connection).loaded.items():
                usable = loaded.crl is not None and loaded.crl.issuer.subject not in shared
                der = foreign_crls.der(connection, url) if usable else None
                if der is not None:
                    found[loaded.digest] = x509.load_der_x509_crl(der).public_bytes(Encoding.PEM)
        return b"".join(found.values())


def _shared_names(trust: Trust) -> set[x509.Name]:
    """The names of CAs that have several keys.

    OpenSSL looks for a list by name and by a key identifier, which whoever makes the list writes as they like, and
    refuses everybody when the newest is signed with another key: a partner with the name of another CA could shut out
    that one's clients.
    """
    keys: dict[x509.Name, set[str]] = {}
    for each in trust.anchors + trust.partners + trust.intermediates:
        if may_sign(each):
            keys.setdefault(each.subject, set()).add(key_of(each))
    return {name for name, found in keys.items() if len(found) > 1}
