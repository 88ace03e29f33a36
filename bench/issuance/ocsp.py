"""OCSP answers a second: whoever answers has its turn, forwards and then backwards; each answer is checked."""

import hashlib
import secrets
import statistics
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from bench.issuance.issuer import Issuer, common_name, key_usage, now
from bench.issuance.rounds import one_round

REVOKED_SHARE = 10
"""Every tenth certificate is revoked."""

NONCE_BYTES = 32
"""RFC 9654 section 2.1."""

ANSWER_LIFE = timedelta(days=1)


class WronglyAnswered(Exception):
    """An answer is not what its request asked for."""


@dataclass(frozen=True)
class State:
    """What the responders are to say of one certificate.

    Attributes:
        serial: its number.
        revoked_at: since when; ``None`` for a good one.
    """

    serial: int
    revoked_at: datetime | None


@dataclass(frozen=True)
class Inventory:
    """What is asked for.

    Attributes:
        issuer: the CA's certificate.
        states: the truth about every certificate.
    """

    issuer: x509.Certificate
    states: Sequence[State]

    def requests(self, *, nonce: bool) -> list[bytes]:
        """A request in DER for each certificate, with CertIDs of SHA-1 as nearly every client sends them."""
        # Only cryptography's builder hashes the bare key; the name that it hashes is that of the issuer's own issuer.
        like = ocsp.OCSPRequestBuilder().add_certificate(self.issuer, self.issuer, hashes.SHA1()).build()
        name_hash = hashlib.sha1(self.issuer.subject.public_bytes(), usedforsecurity=False).digest()
        return [_request(name_hash, like.issuer_key_hash, state.serial, nonce=nonce) for state in self.states]


@dataclass(frozen=True)
class Delegation(Inventory):
    """For the responders that are given everything: a CA, and whom it lets answer (RFC 6960 section 4.2.2.2).

    Attributes:
        authority: the CA with its key.
        responder: the certificate of the responder.
        key: its key, P-256.
    """

    authority: Issuer
    responder: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def make(cls, count: int) -> Self:
        """A new CA with so many certificates."""
        authority, key = Issuer.make(), ec.generate_private_key(ec.SECP256R1())
        moment = now()
        builder = (
            x509.CertificateBuilder()
            .subject_name(common_name("Benchmark responder"))
            .issuer_name(authority.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(moment)
            .not_valid_after(moment + timedelta(days=30))
            .add_extension(key_usage(), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), critical=False)
            .add_extension(x509.OCSPNoCheck(), critical=False)
            .add_extension(authority.key_identifier, critical=False)
        )
        states = [
            State(1 << 126 | secrets.randbits(126), moment if number % REVOKED_SHARE == 0 else None)
            for number in range(count)
        ]
        return cls(authority.certificate, states, authority, builder.sign(authority.key, hashes.SHA256()), key)


def _request(name_hash: bytes, key_hash: bytes, serial: int, *, nonce: bool) -> bytes:
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(name_hash, key_hash, serial, hashes.SHA1())
    if nonce:
        builder = builder.add_extension(x509.OCSPNonce(secrets.token_bytes(NONCE_BYTES)), critical=False)
    return builder.build().public_bytes(serialization.Encoding.DER)


class Responder(ABC):
    """Who answers.

    Attributes:
        name: in the table.
        way: how it is asked.
        afresh: whether each answer is signed when it is asked for; then requests carry nonces.
        inventory: what it answers from.
        answers: those of the last turn in DER, in the order of the requests.
    """

    name: str
    way: str
    afresh: bool
    inventory: Inventory
    answers: Sequence[bytes] = ()

    @abstractmethod
    def answer(self, requests: Sequence[bytes]) -> float:
        """Answer each request; how many seconds that took."""

    def close(self) -> None:  # noqa: B027 -- most start nothing
        """End what it started."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass
class OcspRow:
    """One responder's answers a second, a figure for each round."""

    name: str
    way: str
    afresh: bool
    rates: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.rates)


def measure(responders: Sequence[Responder], rounds: int, tell: Callable[[str], None]) -> list[OcspRow]:
    """Ask each for every certificate in each round; every answer is checked when the clock has stopped.

    Args:
        responders: entered here, and closed in the end.
        rounds: how often each has its turn.
        tell: takes a line of progress.
    """
    rows = [OcspRow(responder.name, responder.way, responder.afresh) for responder in responders]
    with ExitStack() as running:
        for responder in responders:
            running.enter_context(responder)
        questions = {responder: responder.inventory.requests(nonce=responder.afresh) for responder in responders}

        def turn(responder: Responder) -> float:
            asked = questions[responder]
            seconds = responder.answer(asked)
            check(responder.answers, asked, responder.inventory)
            return len(asked) / seconds

        for responder in responders:
            turn(responder)
        for number in range(rounds):
            tell(f"ocsp: round {number + 1} of {rounds}")
            for row, rate in zip(rows, one_round(responders, turn, number), strict=True):
                row.rates.append(rate)
    return rows


def check(answers: Sequence[bytes], requests: Sequence[bytes], inventory: Inventory) -> None:
    """Hold each answer against its request and what is true.

    Raises:
        WronglyAnswered: one is missing, an error, of another certificate, untrue, or without the request's nonce.
        InvalidSignature: one is not signed by the CA or by whom it lets answer.
    """
    if not len(answers) == len(requests) == len(inventory.states):
        raise WronglyAnswered(f"{len(requests)} requests, {len(answers)} answers")
    signers = {inventory.issuer}
    for der, asked, state in zip(answers, requests, inventory.states, strict=True):
        answer = ocsp.load_der_ocsp_response(der)
        if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise WronglyAnswered(f"the answer is {answer.response_status.name}")
        truth = ocsp.OCSPCertStatus.REVOKED if state.revoked_at else ocsp.OCSPCertStatus.GOOD
        if (answer.serial_number, answer.certificate_status) != (state.serial, truth):
            raise WronglyAnswered(f"{answer.serial_number:x} is said to be {answer.certificate_status.name}")
        if _nonce(answer.extensions) != _nonce(ocsp.load_der_ocsp_request(asked).extensions):
            raise WronglyAnswered("the answer has not the request's nonce")
        _check_signature(answer, inventory.issuer, signers)


def _check_signature(answer: ocsp.OCSPResponse, issuer: x509.Certificate, known: set[x509.Certificate]) -> None:
    signer = next(iter(answer.certificates), issuer)
    if signer not in known:
        signer.verify_directly_issued_by(issuer)
        known.add(signer)
    public_key, algorithm = signer.public_key(), answer.signature_hash_algorithm
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    assert algorithm is not None
    public_key.verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(algorithm))


def _nonce(extensions: x509.Extensions) -> bytes | None:
    return next((found.value.nonce for found in extensions if isinstance(found.value, x509.OCSPNonce)), None)
