"""Who calls, and what came of it."""

import ssl
from dataclasses import dataclass
from functools import cached_property

import mutua
from mutua.errors import CallFailed
from mutua.pki.certificates import write_pem
from mutua.tls.identity import Identity
from mutua.tls.trust import Trust


@dataclass(frozen=True)
class Caller:
    """Somebody with an identity, or none, who believes somebody.

    Attributes:
        identity: what is shown.
        trust: what the server is verified with.
    """

    identity: Identity | None
    trust: Trust

    @cached_property
    def context(self) -> ssl.SSLContext:
        return self.identity.client_context(self.trust) if self.identity else self.trust.client_context()

    @cached_property
    def anchors(self) -> bytes:
        """For clients that take PEM."""
        return write_pem(self.trust.anchors)

    @cached_property
    def certificate(self) -> bytes | None:
        return self.identity.chain_pem() if self.identity else None

    @cached_property
    def key(self) -> bytes | None:
        return self.identity.key_pem() if self.identity else None


@dataclass(frozen=True)
class Outcome:
    """What came of a call.

    Attributes:
        status: of the answer, if one came.
        plain: class and reason of the explanation without a probe; empty for an answer below 400.
        probed: the same with a probe.
    """

    status: int | None = None
    plain: tuple[str, str] = ("", "")
    probed: tuple[str, str] = ("", "")


def told(failure: CallFailed | None) -> tuple[str, str]:
    return (type(failure).__name__, failure.reason) if failure else ("", "")


def answered(status: int, explained: CallFailed | None) -> Outcome:
    return Outcome(status, told(explained), told(explained))


def failed(error: BaseException, caller: Caller, probe: str) -> Outcome:
    """Explain it twice: by itself, and with a second look."""
    plain = mutua.explain(error, identity=caller.identity)
    probed = mutua.explain(error, identity=caller.identity, trust=caller.trust, probe=probe)
    return Outcome(plain.status, told(plain), told(probed))
