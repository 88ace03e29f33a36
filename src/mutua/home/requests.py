"""Certificates for keys that were made elsewhere: a request is read, judged by the policy, certified, or refused."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Self, TypeVar

from cryptography import x509

from mutua.ca.policy import judge
from mutua.errors import InvalidInput, MutuaError, RefusedRequest, UnreadableRequest
from mutua.home.commits import GroupCommit
from mutua.home.issuing import Issued, Order
from mutua.pki.certificates import write_pem
from mutua.pki.foreign import silence
from mutua.pki.names import Name
from mutua.pki.profiles import CLIENT, SERVER, Profile
from mutua.pki.requests import CertificateRequest, read_request
from mutua.registry.clients import accepted_client_name
from mutua.store import inventory

if TYPE_CHECKING:
    from mutua.home.home import Home

BATCH = 1000
"""Requests certified in one transaction by ``sign_many``: the disk is waited for once, and others not for long."""

TOGETHER = 200
"""Requests that take each step together.

One after the other they take a quarter longer, for want of room in the processor's cache; a thousand together keep so
much alive that Python searches its whole memory for garbage twice as often.
"""

_PROFILES = {profile.name: profile for profile in (SERVER, CLIENT)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Somebody's request, and what whoever passes it on says about it.

    Attributes:
        request: a CSR in PEM or DER.
        profile: ``client`` or ``server``.
        client: the registered client that the certificate will prove; must be given for a client's.
        names: certified instead of those in the request, without asking the policy.
        lifetime: the profile's own when ``None``, as far as the policy goes.
        authority: the id of the CA that is to sign; ``None`` for the one whose purpose fits.
    """

    request: bytes
    profile: str = "client"
    client: str | None = None
    names: tuple[Name, ...] | None = None
    lifetime: timedelta | None = None
    authority: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A certificate that is on disk.

    Attributes:
        certificate: the new certificate.
        chain: itself, and every CA above it but the root.
        der: the certificate as it is on disk.
        thumbprint: its x5t#S256.
        dropped: what the request asked for and did not get, one line each.
    """

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    der: bytes
    thumbprint: str
    dropped: tuple[str, ...]

    @classmethod
    def of(cls, issued: Issued, dropped: tuple[str, ...]) -> Self:
        """What was committed; raises the error that kept it from being so."""
        if issued.error is not None:
            raise issued.error
        return cls(
            certificate=issued.certificate,
            chain=issued.chain,
            der=issued.record.der,
            thumbprint=issued.record.thumbprint,
            dropped=dropped,
        )

    def pem(self) -> bytes:
        """The certificate and the chain behind it, in PEM."""
        return write_pem(self.chain)


_Outcome = tuple[Issued, tuple[str, ...]] | MutuaError
"""Of a request that was judged: signed, with what was dropped of it, or refused."""


@dataclass(slots=True)
class _Call:
    """A request that a caller waits for."""

    ask: Ask
    answer: Signed | MutuaError | None = None


class Requests:
    """Certificate requests at a home: ``home.requests``."""

    def __init__(self, home: "Home") -> None:
        self._home = home
        self._calls: GroupCommit[_Call] = GroupCommit(self._answer)

    def sign(
        self,
        request: bytes,
        *,
        profile: str = "client",
        client: str | None = None,
        names: Sequence[Name] | None = None,
        lifetime: timedelta | None = None,
        authority: str | None = None,
    ) -> Signed:
        """Certify the key of a request. The arguments are those of ``Ask``.

        Raises:
            UnreadableRequest: it is no request, or its maker does not hold its key.
            RefusedRequest: with every rule it breaks. UnknownClient: the registry has none of that name.
        """
        ask = Ask(
            request=request,
            profile=profile,
            client=client,
            names=None if names is None else tuple(names),
            lifetime=lifetime,
            authority=authority,
        )
        call = _Call(ask)
        self._calls.commit([call])
        if isinstance(call.answer, MutuaError):
            raise call.answer
        assert call.answer is not None
        return call.answer

    def sign_many(self, asks: Iterable[Ask]) -> "Iterator[Signed | MutuaError]":
        """Certify many requests, hundreds in a transaction; the answers come in the order of the requests.

        An answer is yielded only once it is on disk: a certificate, or the error that refuses one request and no
        other. While the disk writes some, the next are judged and signed.
        """
        remaining = iter(asks)
        with ThreadPoolExecutor(1, "mutua-commit") as committing:
            writing: Future[list[Signed | MutuaError]] | None = None
            while batch := list(islice(remaining, BATCH)):
                outcomes = self._prepare(batch)
                if writing is not None:
                    yield from writing.result()
                writing = committing.submit(self._commit, batch, outcomes)
            if writing is not None:
                yield from writing.result()

    def _answer(self, calls: "Sequence[_Call]") -> None:
        """What several threads ask at the same time is judged, signed and committed together."""
        asks = [call.ask for call in calls]
        answers = self._commit(asks, self._prepare(asks))
        for call, answer in zip(calls, answers, strict=True):
            call.answer = answer

    def _prepare(self, asks: Sequence[Ask]) -> list[_Outcome]:
        """Read, judge, draft and sign: each for many requests before the next."""
        return [
            each for first in range(0, len(asks), TOGETHER) for each in self._prepared(asks[first : first + TOGETHER])
        ]

    def _prepared(self, asks: Sequence[Ask]) -> list[_Outcome]:
        issuing = self._home.authority.issuing
        with silence:
            requests = _stage(lambda ask: read_request(ask.request), asks)
        judged = _stage(lambda pair: self._judge(*pair), zip(asks, requests, strict=True))
        drafted = _stage(lambda pair: (issuing.draft(pair[0]), pair[1]), judged)
        return _stage(lambda pair: (issuing.finish(pair[0]), pair[1]), drafted)

    def _commit(self, asks: Sequence[Ask], outcomes: list[_Outcome]) -> "list[Signed | MutuaError]":
        """Write the certificates and the refusals; what is returned is on disk."""
        signed = [each[0] for each in outcomes if not isinstance(each, MutuaError)]
        committed = iter(self._home.authority.issuing.commit(signed) if signed else ())
        answers = _stage(lambda outcome: Signed.of(next(committed), outcome[1]), outcomes)
        return self._recorded(asks, answers)

    def _judge(self, ask: Ask, request: CertificateRequest | MutuaError) -> tuple[Order, tuple[str, ...]]:
        if isinstance(request, MutuaError):
            raise request
        profile = self._profile(ask)
        policy = self._home.settings.policies[ask.profile]
        try:
            approval = judge(
                request,
                policy,
                profile=profile,
                client=ask.client,
                names=ask.names,
                lifetime=ask.lifetime,
                valid_now=0,  # counted where it is certain, in the transaction
            )
        except RefusedRequest:
            self._judge_whole(ask, profile, request)
            raise
        order = Order(
            profile=profile,
            names=approval.names,
            public_key=request.public_key,
            client=ask.client,
            common_name=approval.common_name,
            lifetime=approval.lifetime,
            authority=ask.authority,
            max_valid=policy.max_valid if ask.client is not None else None,
        )
        return order, approval.dropped

    def _judge_whole(self, ask: Ask, profile: Profile, request: CertificateRequest) -> None:
        """Refuse a request that is refused anyway with the number of certificates counted too."""
        policy, now = self._home.settings.policies[ask.profile], self._home.now()
        valid = 0
        if ask.client is not None and policy.max_valid is not None:
            with self._home.store.read() as connection:
                valid = inventory.count_valid(connection, {ask.client: policy.max_valid}, now)[ask.client]
        judge(
            request,
            policy,
            profile=profile,
            client=ask.client,
            names=ask.names,
            lifetime=ask.lifetime,
            valid_now=valid,
        )

    def _profile(self, ask: Ask) -> Profile:
        profile = _PROFILES.get(ask.profile)
        if profile is None:
            raise InvalidInput(f"{ask.profile[:40]!r} is no profile for a request", hint=", ".join(_PROFILES))
        if (profile is CLIENT) != (ask.client is not None):
            raise InvalidInput(
                "a client's certificate is for a client that is registered, and only that",
                hint="--client NAME for a client's, --profile server for a server's",
            )
        if ask.client is not None:
            accepted_client_name(ask.client)  # before it stands in patterns, queries and events
        return profile

    def _recorded(self, asks: Sequence[Ask], answers: "list[Signed | MutuaError]") -> "list[Signed | MutuaError]":
        """The answers, once the refusals among them are in the audit trail; where that fails, they are why."""
        refused = {
            place: self._home.event(
                "request.refused",
                ask.client or ask.profile,
                {"code": answer.code, "profile": ask.profile, "why": answer.message[:MAX_REASON]},
            )
            for place, (ask, answer) in enumerate(zip(asks, answers, strict=True))
            if isinstance(answer, RefusedRequest | UnreadableRequest)
        }
        if not refused:
            return answers
        try:
            with self._home.store.write() as connection:
                self._home.record(connection, *refused.values())
        except MutuaError as error:
            # The certificates beside them are on disk, and whoever asked for one is to have it.
            return [error if place in refused else answer for place, answer in enumerate(answers)]
        return answers


MAX_REASON = 1000
"""Characters of a refusal that the audit trail keeps: a hostile request cannot fill it."""

Given = TypeVar("Given")
Made = TypeVar("Made")


def _stage(act: Callable[[Given], Made], given: Iterable[Given | MutuaError]) -> list[Made | MutuaError]:
    """Do the same to everything that has no error yet; what fails keeps its error in its place."""
    made: list[Made | MutuaError] = []
    for each in given:
        if isinstance(each, MutuaError):
            made.append(each)
            continue
        try:
            made.append(act(each))
        except MutuaError as error:
            made.append(error)
    return made
