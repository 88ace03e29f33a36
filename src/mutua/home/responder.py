"""The OCSP responder of a home: answers are signed ahead, kept, and made anew when what they say changes."""

import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from mutua.errors import MutuaError, UnreadableOcsp
from mutua.home.crls import TOUCHING
from mutua.home.delegates import Delegates
from mutua.home.watching import Watcher
from mutua.pki.crl import Revocation, RevocationReason
from mutua.pki.ocsp import (
    CertIdHash,
    CertStatus,
    IssuerId,
    OcspDraft,
    OcspError,
    OcspRequest,
    OcspResponder,
    cert_id_of,
    read_ocsp_request,
    refusal,
)
from mutua.pki.profiles import CLOCK_SKEW
from mutua.store import events, inventory
from mutua.store.authorities import AuthorityRecord
from mutua.store.inventory import CertificateRecord, CertificateState

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mutua.home.home import Home

ANSWER_LIFE = timedelta(hours=12)
"""How long an answer holds. It is made anew at half of that, and at once when a certificate is revoked."""

MAX_KEPT = 100_000
"""Answers kept; about 1.2 KiB each. Beyond that they are signed when they are asked for."""

SIGNED_AHEAD = 10_000
"""Certificates whose answers are signed before anybody asks, the newest first."""

POLL_SECONDS = 0.05
"""How soon a revocation elsewhere changes the answer."""

RENEWED_AT_ONCE = 50
"""Answers made anew between two looks for revocations: about 10 ms."""

_OF_CAS = ("authority.", "keys.")
"""What the events about CAs and their keys begin with."""

log = logging.getLogger("mutua.ocsp")

Question = tuple[IssuerId, int]


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to whoever asked.

    Attributes:
        der: the response.
        this_update, next_update: for how long it holds, UTC; ``None`` for a refusal.
        kept: whether it may be kept by caches on the way: it holds no nonce and is no refusal.
    """

    der: bytes
    this_update: datetime | None = None
    next_update: datetime | None = None
    kept: bool = False

    def is_fresh(self, now: datetime) -> bool:
        """Whether less than half of its life has passed."""
        if self.this_update is None or self.next_update is None:
            return False
        return now < self.this_update + (self.next_update - self.this_update) / 2


class Responder:
    """Answers about every certificate of a home's CAs.

    Each CA that can sign here delegates to a certificate of its own for a few days (RFC 6960 section 4.2.2.2), whose
    key is in this process only.

    Args:
        home: stays the caller's to close.
    """

    def __init__(self, home: "Home") -> None:
        self._home = home
        self._feed = home.store.feed()
        self._kept: dict[Question, Answer] = {}  # in the order in which they were signed
        self._keeping = Lock()
        self._generation = 0
        self._issuers: dict[IssuerId, AuthorityRecord] = {}
        self._delegates = Delegates(home)
        self._is_behind = True
        self._complaint = ""
        with home.store.read() as connection:
            self._seen = events.last_id(connection)
        self._know_issuers()
        self._watcher = Watcher("mutua-ocsp", POLL_SECONDS, self._look)

    def start(self) -> None:
        """Sign ahead, and watch for changes."""
        self._sign_ahead()
        self._watcher.start()

    def close(self) -> None:
        """Stop watching."""
        self._watcher.stop()
        self._feed.close()

    def kept(self, data: bytes) -> Answer | None:
        """The answer to a request if it lies ready; never slow."""
        try:
            request = read_ocsp_request(data)
        except UnreadableOcsp:
            return Answer(refusal(OcspError.MALFORMED_REQUEST))
        return None if request.nonce is not None else self._ready(request)

    def answer(self, data: bytes) -> Answer:
        """The answer to a request, in DER: signed, or a refusal that says why not."""
        try:
            request = read_ocsp_request(data)
        except UnreadableOcsp:
            return Answer(refusal(OcspError.MALFORMED_REQUEST))
        issuer = self._issuers.get(request.issuer)
        if issuer is None:
            return Answer(refusal(OcspError.UNAUTHORIZED))
        if request.nonce is None and (ready := self._ready(request)):
            return ready
        try:
            return self._sign(request, issuer)
        except (MutuaError, SQLAlchemyError) as error:
            self._complain(error)
            return Answer(refusal(OcspError.TRY_LATER))

    def _ready(self, request: OcspRequest) -> Answer | None:
        found = self._kept.get((request.issuer, request.serial))
        return found if found is not None and found.is_fresh(self._home.now()) else None

    def _sign(self, request: OcspRequest, issuer: AuthorityRecord) -> Answer:
        responder = self._delegates.of(issuer)
        generation = self._generation
        with self._home.store.read() as connection:
            record = inventory.by_serial(connection, issuer.id, request.serial)
        answer = self._signed(request, record, responder)
        # What nobody issued is not kept: it may be issued in a moment, and strangers could fill the memory.
        if answer.kept and record is not None:
            with self._keeping:
                self._kept.pop((request.issuer, request.serial), None)
                if len(self._kept) < MAX_KEPT and generation == self._generation:
                    self._kept[request.issuer, request.serial] = answer
        return answer

    def _signed(self, request: OcspRequest, record: CertificateRecord | None, responder: OcspResponder) -> Answer:
        now = self._home.now().replace(microsecond=0)
        draft = OcspDraft(
            issuer=request.issuer,
            serial=request.serial,
            status=_status(record),
            this_update=now - CLOCK_SKEW,
            next_update=min(now + ANSWER_LIFE, responder.certificate.not_valid_after_utc),
            nonce=request.nonce,
        )
        return Answer(draft.sign(responder), draft.this_update, draft.next_update, kept=request.nonce is None)

    def _look(self) -> None:
        """Forget the answers that are wrong by now, and make those anew that will not be good for long."""
        try:
            # What changed is not asked of the feed again when it could not be read.
            self._is_behind = self._feed.changed() or self._is_behind
            if self._is_behind:
                self._catch_up()
                self._is_behind = False
            self._renew()
        except (MutuaError, SQLAlchemyError) as error:
            self._complain(error)

    def _complain(self, error: Exception) -> None:
        """Once about each trouble: strangers ask, and not to fill the log."""
        if str(error) != self._complaint:
            log.warning("OCSP answers wait: %s", error)
        self._complaint = str(error)

    def _catch_up(self) -> None:
        with self._home.store.read() as connection:
            changed = events.since(connection, self._seen)
            touched = [each.subject for each in changed if each.kind in TOUCHING]
            dropped = self._questions_about(connection, touched)
        with self._keeping:
            self._generation += bool(dropped)
            for question in dropped:
                self._kept.pop(question, None)
        if any(each.kind.startswith(_OF_CAS) for each in changed):
            self._home.authority.issuing.forget()
            self._know_issuers()
        self._seen = max([self._seen, *(each.id for each in changed)])

    def _renew(self) -> None:
        """Sign ahead of the next who asks what is half over; the oldest answers come first."""
        now = self._home.now()
        for question, answer in tuple(islice(self._kept.items(), RENEWED_AT_ONCE)):
            if answer.is_fresh(now):
                break
            self._kept.pop(question, None)
            issuer = self._issuers.get(question[0])
            if issuer is not None:
                self._sign(OcspRequest(*question, nonce=None), issuer)

    def _questions_about(self, connection: "Connection", thumbprints: list[str]) -> list[Question]:
        found = [record for each in thumbprints if (record := inventory.by_thumbprint(connection, each)) is not None]
        return [
            (identifier, int(record.serial, 16))
            for record in found
            for identifier, issuer in self._issuers.items()
            if issuer.id == record.authority
        ]

    def _know_issuers(self) -> None:
        self._issuers = {
            cert_id_of(each.certificate, algorithm): each
            for each in self._home.hierarchy.trusted()
            for algorithm in CertIdHash
        }
        with self._keeping:
            self._generation += 1
            self._kept = {question: answer for question, answer in self._kept.items() if question[0] in self._issuers}

    def _sign_ahead(self) -> None:
        started = time.monotonic()
        by_id = {each.id: name for name, each in self._issuers.items() if name.algorithm == CertIdHash.SHA1}
        for number, record in enumerate(self._home.authority.certificates(state=CertificateState.VALID)):
            if number == SIGNED_AHEAD:
                break
            name = by_id.get(record.authority)
            if name is None:
                continue
            try:
                responder = self._delegates.of(self._issuers[name])
            except MutuaError:
                continue
            request = OcspRequest(name, int(record.serial, 16), None)
            self._kept[name, request.serial] = self._signed(request, record, responder)
        log.info("%d OCSP answers signed ahead in %.1f s", len(self._kept), time.monotonic() - started)


def _status(record: CertificateRecord | None) -> CertStatus | Revocation:
    if record is None:
        return CertStatus.UNKNOWN
    if record.revoked_at is None or record.reason is None:
        return CertStatus.GOOD
    return Revocation(record.revoked_at, RevocationReason(record.reason), record.invalid_since)
