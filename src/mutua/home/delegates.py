"""Who signs OCSP answers: for each CA a certificate of its own for some days, with a key in this process only."""

import logging
import time
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING

from cryptography import x509

from mutua.errors import MutuaError
from mutua.home.issuing import Order
from mutua.pki.ocsp import OcspResponder
from mutua.pki.profiles import OCSP
from mutua.pki.randomness import generate_key
from mutua.store.authorities import AuthorityRecord

if TYPE_CHECKING:
    from mutua.home.home import Home

RETRY_SECONDS = 5.0
"""For how long a CA's key that could not be used is not asked for again: unsealing it takes 128 MiB, and whoever
sends a question would have it done."""

log = logging.getLogger("mutua.ocsp")


class Delegates:
    """The certificates that a home's CAs delegate to (RFC 6960 section 4.2.2.2).

    Args:
        home: whose.
    """

    def __init__(self, home: "Home") -> None:
        self._home = home
        self._lock = Lock()
        self._made: dict[str, OcspResponder] = {}
        self._failed: dict[str, tuple[float, MutuaError]] = {}

    def of(self, issuer: AuthorityRecord) -> OcspResponder:
        """Who signs for a CA; a new one once half of the old one's time is over.

        Raises:
            MutuaError: the CA's key cannot be used here now, or could not a moment ago.
        """
        with self._lock:
            found, now = self._made.get(issuer.id), self._home.now()
            if found is None or now >= _half_life(found.certificate):
                try:
                    found = self._made[issuer.id] = self._fresh(issuer)
                except MutuaError:
                    if found is None or now >= found.certificate.not_valid_after_utc:
                        raise
            return found

    def _fresh(self, issuer: AuthorityRecord) -> OcspResponder:
        failed_at, failure = self._failed.get(issuer.id, (0.0, None))
        if failure is not None and time.monotonic() - failed_at < RETRY_SECONDS:
            raise failure.with_traceback(None)  # which would grow with each question
        try:
            return self._make(issuer)
        except MutuaError as error:
            self._failed[issuer.id] = time.monotonic(), error
            log.warning("no delegate for OCSP answers about %s can be made here: %s", issuer.id, error)
            raise

    def _make(self, issuer: AuthorityRecord) -> OcspResponder:
        key = generate_key()
        order = Order(
            profile=OCSP,
            names=(),
            public_key=key.public_key(),
            common_name=f"OCSP responder of {issuer.id}"[:64],
            authority=issuer.id,
        )
        (issued,) = self._home.authority.issuing.issue([order])
        if issued.error is not None:
            raise issued.error
        return OcspResponder(certificate=issued.certificate, key=key)


def _half_life(certificate: x509.Certificate) -> datetime:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return begin + (end - begin) / 2
