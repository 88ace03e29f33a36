"""``mutua.explain``: who refused whom, why, and what to do, out of what an HTTP library raised."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

from mutua.doctor.call import CallObservation, Stage, diagnose
from mutua.doctor.findings import Finding, Side
from mutua.errors import (
    CallFailed,
    CallUnexplained,
    MutuaError,
    NobodyAnswered,
    RefusedByServer,
    RefusedByUs,
)
from mutua.outbound.explaining.evidence import Evidence, body_of, status_of, text_of
from mutua.outbound.explaining.examining import examine
from mutua.outbound.handshaking import Target, target_of
from mutua.outbound.probing import probe as probe_target
from mutua.tls.identity import Identity
from mutua.tls.trust import Trust

_BY_SIDE: dict[Side, type[CallFailed]] = {
    Side.SERVER: RefusedByServer,
    Side.US: RefusedByUs,
    Side.NETWORK: NobodyAnswered,
    Side.UNKNOWN: CallUnexplained,
}


def explain(
    exception: BaseException,
    *,
    identity: Identity | None = None,
    trust: Trust | None = None,
    probe: str | bool = False,
) -> CallFailed:
    """Say why a call failed.

    It never raises. It knows what httpx2, httpx, requests, niquests, urllib3, aiohttp, websockets, grpcio, pycurl,
    ``http.client``, ``urllib``, ``ssl`` and ``socket`` raise, and imports none of them.

    Args:
        exception: what was raised.
        identity: who we were in the call; what is wrong with its certificate is told too.
        trust: for a probe, what the server's certificate is verified with; when not given, what the system trusts.
        probe: where to look again if the exception does not name the cause: ``https://host:port``, or ``True`` for
            the address that the exception holds. A probe is one TLS handshake with ``identity``, or without any
            certificate where that is not given; nothing is requested. It may take as long as a call.

    Returns:
        ``RefusedByServer``, ``RefusedByUs``, ``NobodyAnswered`` or ``CallUnexplained``, to be looked at or raised.
    """
    if isinstance(exception, CallFailed):
        return exception
    if isinstance(exception, MutuaError):
        return CallUnexplained(exception.message, hint=exception.hint, reason=exception.code)
    try:
        return _Explanation(exception, identity=identity, trust=trust, probe=probe).made()
    except Exception as error:  # noqa: BLE001 -- whoever asks is in an except block, and has a failure already
        failure = CallUnexplained(
            "what was raised cannot be examined", hint="look at the exception", reason="cannot_tell"
        )
        failure.add_note(f"examining it failed: {type(error).__name__}: {text_of(error)}")
        return failure


async def explain_async(
    exception: BaseException,
    *,
    identity: Identity | None = None,
    trust: Trust | None = None,
    probe: str | bool = False,
) -> CallFailed:
    """As ``explain``, with the probe in a thread. Without a probe ``explain`` itself waits for nothing."""
    return await asyncio.to_thread(explain, exception, identity=identity, trust=trust, probe=probe)


def explain_response(response: object, *, identity: Identity | None = None) -> CallFailed | None:
    """Say why a request was refused whose TLS connection was accepted.

    Args:
        response: an answer of any of the libraries that ``explain`` knows.
        identity: who we were; its thumbprint finds the line in the server's log.

    Returns:
        ``None`` for a status below 400.
    """
    status = status_of(response)
    if status is None:
        return None
    evidence = Evidence(stage=Stage.DONE, status=status, body=body_of(response))
    return _failure(_observation(evidence, None, identity, known=True))


class _Explanation:
    def __init__(
        self, exception: BaseException, *, identity: Identity | None, trust: Trust | None, probe: str | bool
    ) -> None:
        self._exception, self._identity, self._trust, self._probe = exception, identity, trust, probe
        self._notes: list[str] = []

    def made(self) -> CallFailed:
        evidence, target = examine(self._exception)
        known = self._identity is not None or bool(self._probe)
        seen = _observation(evidence, target, self._identity, known=known)
        if self._probe and not evidence.is_conclusive:
            seen = self._probed(seen, target)
        failure = _failure(seen)
        for note in self._notes:
            failure.add_note(note)
        return failure

    def _probed(self, seen: CallObservation, target: Target | None) -> CallObservation:
        """What is seen at a second look; what was seen at first where that tells nothing new."""
        try:
            if isinstance(self._probe, str):
                target = target_of(self._probe)
            if target is None:
                self._notes.append("no probe: the exception does not say where the call went; give probe=URL")
                return seen
            found = probe_target(target, identity=self._identity, trust=self._trust or Trust.system())
        except MutuaError as error:
            self._notes.append(f"no probe: {error.message}")
            return seen
        self._notes.append(f"seen by a probe of {target.name}")
        if found.stage is Stage.DONE:
            return replace(seen, target=target.name, accepted_since=True)
        return found


def _observation(
    evidence: Evidence, target: Target | None, identity: Identity | None, *, known: bool
) -> CallObservation:
    return CallObservation(
        target=target.name if target else "the server",
        stage=evidence.stage,
        error=evidence.error,
        alert=evidence.alert,
        verify_code=evidence.verify_code,
        closed=evidence.closed,
        identity=identity.chain if identity else (),
        status=evidence.status,
        body=evidence.body,
        seen_at=datetime.now(UTC),
        identity_known=known,
        alert_may_be_lost=True,
    )


def _failure(seen: CallObservation) -> CallFailed:
    findings = diagnose(seen) or (_answered(seen),)
    # What is certainly wrong with our own certificate is likelier than anything that an alert may mean besides.
    ours = [each for each in findings if each.code.startswith("own_")]
    likely = [*ours, *(each for each in findings if each not in ours)]
    causes = tuple(each.summary if each in ours else each.cause for each in likely)
    return _BY_SIDE[findings[0].refused_by](
        findings[0].summary,
        hint=likely[0].remedy,
        reason=findings[0].code,
        alert=seen.alert,
        status=seen.status,
        target=seen.target,
        causes=tuple(filter(None, causes)),
        findings=findings,
    )


def _answered(seen: CallObservation) -> Finding:
    return Finding(
        code="http_error",
        refused_by=Side.UNKNOWN,
        summary=f"the TLS connection stood, and the answer was {seen.status}",
        cause="the application refused or failed; nginx, for one, refuses certificates with 400",
        remedy="read the answer's body",
    )
