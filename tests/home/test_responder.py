"""The OCSP responder: what it answers about whom, that answers change at once, and what strangers can do to it."""

import logging
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.ocsp import OCSPCertStatus, OCSPResponse, OCSPResponseStatus
from hypothesis import HealthCheck, given, settings

from mutua import Home, Identity
from mutua.ca.hierarchy import Purpose
from mutua.home import responder
from mutua.home.responder import ANSWER_LIFE, RENEWED_AT_ONCE, Responder
from mutua.home.sealing import Sealer
from mutua.pki.profiles import OCSP
from mutua.pki.randomness import new_serial
from mutua.store.store import Store
from tests.clock import Clock
from tests.conftest import CHEAP_SEALING
from tests.pki.hierarchy import issue, issuing_ca, make_issuing_ca, make_root
from tests.pki.mutations import foreign

PATIENCE_SECONDS = 30
GOOD, REVOKED, UNKNOWN = OCSPCertStatus.GOOD, OCSPCertStatus.REVOKED, OCSPCertStatus.UNKNOWN


def question(identity: Identity, nonce: bytes | None = None, algorithm: Any = None) -> bytes:
    return asked(identity.chain[1], identity.certificate.serial_number, nonce, algorithm)


def asked(issuer: x509.Certificate, serial: int, nonce: bytes | None = None, algorithm: Any = None) -> bytes:
    """A request about a serial number of a CA."""
    algorithm = algorithm or hashes.SHA1()
    names = ocsp.OCSPRequestBuilder().add_certificate(issuer, issuer, algorithm).build()
    digest = hashes.Hash(algorithm)
    digest.update(issuer.subject.public_bytes())
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
        digest.finalize(), names.issuer_key_hash, serial, algorithm
    )
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


@pytest.fixture
def woovi(home: Home) -> Identity:
    return home.identities.load("woovi")


@pytest.fixture
def running(home: Home) -> Iterator[Responder]:
    """A responder that looks for changes when it is told to."""
    made = Responder(home)
    made._sign_ahead()
    yield made
    made.close()


def ask(running: Responder, data: bytes) -> OCSPResponse:
    """What the web server does."""
    answer = running.kept(data) or running.answer(data)
    return ocsp.load_der_ocsp_response(answer.der)


def status(running: Responder, identity: Identity) -> OCSPCertStatus:
    return ask(running, question(identity)).certificate_status


def refusal(running: Responder, data: bytes) -> OCSPResponseStatus:
    return ask(running, data).response_status


def delegates(home: Home) -> int:
    return sum(1 for _ in home.authority.certificates(profile="ocsp"))


@pytest.mark.parametrize("algorithm", [hashes.SHA1(), hashes.SHA256()], ids=["sha1", "sha256"])
@pytest.mark.parametrize("nonce", [None, b"n" * 32], ids=["plain", "nonce"])
def test_an_answer_says_what_is_so_and_is_signed_by_a_delegate_of_the_ca(
    running: Responder, woovi: Identity, algorithm: Any, nonce: bytes | None
) -> None:
    found = ask(running, question(woovi, nonce, algorithm))
    assert found.certificate_status is GOOD
    assert found.serial_number == woovi.certificate.serial_number
    assert type(found.hash_algorithm) is type(algorithm)
    (delegate,) = found.certificates
    delegate.verify_directly_issued_by(woovi.chain[1])
    usage = delegate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [OCSP.purpose]
    assert delegate.extensions.get_extension_for_class(x509.OCSPNoCheck)
    extensions = [each.value.nonce for each in found.extensions if isinstance(each.value, x509.OCSPNonce)]
    assert extensions == ([] if nonce is None else [nonce])


@pytest.mark.parametrize("reason", ["unspecified", "key_compromise", "certificate_hold"])
def test_a_revocation_elsewhere_changes_the_answer_that_was_ready(
    home: Home, running: Responder, woovi: Identity, reason: str
) -> None:
    assert status(running, woovi) is GOOD
    with Home.open(home.path) as other:
        record = other.revocation.revoke(woovi.thumbprint, reason=reason)
    running._look()
    found = ask(running, question(woovi))
    assert (found.certificate_status, found.revocation_time_utc) == (REVOKED, record.revoked_at)
    said = None if found.revocation_reason is None else found.revocation_reason.name
    assert said == (None if reason == "unspecified" else reason)
    if reason == "certificate_hold":
        home.revocation.release(woovi.thumbprint)
        running._look()
        assert status(running, woovi) is GOOD


def test_it_looks_by_itself(home: Home, woovi: Identity) -> None:
    running = Responder(home)
    running.start()
    try:
        assert status(running, woovi) is GOOD
        with Home.open(home.path) as other:
            other.revocation.revoke(woovi.thumbprint)
        deadline = monotonic() + PATIENCE_SECONDS
        while status(running, woovi) is GOOD:
            assert monotonic() < deadline
            sleep(0.01)
    finally:
        running.close()


def test_a_revocation_while_an_answer_is_signed_does_not_leave_the_old_one_behind(
    home: Home, running: Responder, woovi: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worst moment: the record is read, and the answer not yet kept."""
    running._kept.clear()
    signed = running._signed

    def interrupted(*arguments: Any) -> Any:
        monkeypatch.undo()
        home.revocation.revoke(woovi.thumbprint)
        running._look()
        return signed(*arguments)

    monkeypatch.setattr(running, "_signed", interrupted)
    assert status(running, woovi) is GOOD, "asked before it was revoked"
    assert status(running, woovi) is REVOKED


def test_a_store_that_is_lost_for_a_moment_hides_no_revocation(
    home: Home, running: Responder, woovi: Identity, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    home.revocation.revoke(woovi.thumbprint)
    with monkeypatch.context() as lost:
        lost.setattr(home.store, "read", lambda: Store(home.path / "nowhere.db").read())
        for _ in range(5):
            running._look()
    assert caplog.text.count("OCSP answers wait") == 1
    running._look()
    assert status(running, woovi) is REVOKED


def test_certificates_that_nobody_issued_are_unknown_and_not_kept(running: Responder, woovi: Identity) -> None:
    kept = len(running._kept)
    for _ in range(200):
        assert ask(running, asked(woovi.chain[1], new_serial())).certificate_status is UNKNOWN
    assert len(running._kept) == kept


def test_strangers_who_ask_about_anything_fill_no_memory(running: Responder, woovi: Identity) -> None:
    def crowd() -> None:
        for number in range(300):
            ask(running, asked(woovi.chain[1], new_serial(), b"%032d" % number))
            ask(running, asked(woovi.chain[1], new_serial()))

    crowd()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        crowd()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 64 * 1024


def test_no_more_answers_are_kept_than_there_is_room_for(
    home: Home, running: Responder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responder, "MAX_KEPT", 5)
    made = [home.authority.issue_client("woovi") for _ in range(10)]
    assert {status(running, each) for each in made} == {GOOD}
    assert len(running._kept) == 5


@pytest.mark.parametrize("data", [b"", b"\0", b"\x30\x80", b"x" * 8192, b"x" * 100_000])
def test_what_is_no_request_is_malformed(running: Responder, data: bytes) -> None:
    assert refusal(running, data) is OCSPResponseStatus.MALFORMED_REQUEST


def test_a_ca_that_is_not_ours_is_none_of_our_business(running: Responder) -> None:
    stranger = issue(issuing_ca())
    assert refusal(running, question(stranger)) is OCSPResponseStatus.UNAUTHORIZED
    assert refusal(running, question(stranger, b"n" * 16)) is OCSPResponseStatus.UNAUTHORIZED


def test_a_ca_is_asked_about_like_anybody(home: Home, running: Responder) -> None:
    root, issuing = home.hierarchy.root.certificate, home.hierarchy.issuing.certificate
    assert ask(running, asked(root, issuing.serial_number)).certificate_status is GOOD
    home.revocation.revoke(next(home.authority.certificates(profile="issuing-ca")).thumbprint, reason="superseded")
    running._look()
    assert ask(running, asked(root, issuing.serial_number)).certificate_status is REVOKED


def test_a_superseded_ca_is_answered_for_a_new_one_too_and_a_retired_one_no_more(
    home: Home, running: Responder, woovi: Identity
) -> None:
    with Home.open(home.path) as other:
        other.hierarchy.rotate("issuing-1")
        newer = other.authority.issue_client("woovi")
        running._look()
        assert (status(running, woovi), status(running, newer)) == (GOOD, GOOD)
        assert ask(running, question(newer)).certificates != ask(running, question(woovi)).certificates
        other.hierarchy.retire("issuing-1", force=True)
        running._look()
    assert refusal(running, question(woovi)) is OCSPResponseStatus.UNAUTHORIZED
    assert status(running, newer) is GOOD


def test_a_ca_that_was_taken_in_is_answered_for(home: Home, running: Responder) -> None:
    ca = make_issuing_ca(make_root(organization="Elsewhere"))
    home.hierarchy.take_in("legacy", Identity(ca.key, (ca.certificate,)))
    made = home.authority.issue_client("woovi", authority="legacy")
    running._look()
    assert status(running, made) is GOOD


def test_answers_are_signed_before_anybody_asks(home: Home, running: Responder, woovi: Identity) -> None:
    running.close()
    with Home.open(home.path) as opened:
        another = Responder(opened)
        another._sign_ahead()
        found = another.kept(question(woovi))
        assert found is not None
        assert found.kept
        another.close()


def test_an_answer_is_made_anew_at_half_of_its_life(running: Responder, woovi: Identity, clock: Clock) -> None:
    first = running.kept(question(woovi))
    assert first is not None
    clock.move(ANSWER_LIFE / 2 - timedelta(minutes=4))
    assert running.kept(question(woovi)) is first
    clock.move(timedelta(minutes=4))
    assert running.kept(question(woovi)) is None, "whoever asks now gets a fresh one"
    running._look()
    second = running.kept(question(woovi))
    assert second is not None
    assert second.this_update is not None
    assert first.this_update is not None
    assert second.this_update >= first.this_update + ANSWER_LIFE / 2 - timedelta(minutes=5)


def test_many_answers_are_made_anew_a_few_at_a_time(home: Home, clock: Clock) -> None:
    made = [home.authority.issue_client("woovi") for _ in range(RENEWED_AT_ONCE + 10)]
    running = Responder(home)
    running._sign_ahead()
    clock.move(ANSWER_LIFE / 2)
    running._look()
    ready = [running.kept(question(each)) is not None for each in made]
    assert sum(ready) <= RENEWED_AT_ONCE
    running._look()
    assert all(running.kept(question(each)) is not None for each in made)
    running.close()


def test_a_delegate_is_replaced_at_half_of_its_life(
    home: Home, running: Responder, woovi: Identity, clock: Clock
) -> None:
    (first,) = ask(running, question(woovi)).certificates
    for _ in range(13):
        clock.move(OCSP.lifetime / 26 - timedelta(minutes=1))
        found = ask(running, question(woovi))
        assert found.certificates == [first]
        assert found.next_update_utc is not None
        assert found.next_update_utc > clock.now() + ANSWER_LIFE / 3
    clock.move(timedelta(hours=1))
    found = ask(running, question(woovi, b"n"))
    assert found.certificates != [first]
    assert delegates(home) == 2


def test_an_answer_never_outlives_its_delegate_and_a_ca_near_its_end_gets_few(
    home: Home, woovi: Identity, clock: Clock
) -> None:
    ends = woovi.chain[1].not_valid_after_utc
    clock.move(ends - clock.now() - timedelta(hours=2))
    running = Responder(home)
    for _ in range(100):
        clock.move(timedelta(minutes=1))
        found = ask(running, question(woovi, b"n"))
        (delegate,) = found.certificates
        assert found.next_update_utc is not None
        assert found.next_update_utc <= delegate.not_valid_after_utc <= ends
    assert delegates(home) < 10
    clock.move(timedelta(hours=1))
    assert refusal(running, question(woovi, b"n")) is OCSPResponseStatus.TRY_LATER
    running.close()


def test_without_the_key_the_answer_is_try_later_and_the_key_is_not_asked_for_each_time(
    home: Home, woovi: Identity, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (home.path / "passphrase").write_text("another one\n")
    tried = 0
    load = Sealer.load

    def counted(self: Sealer, authority: str, stored: str) -> Any:
        nonlocal tried
        tried += 1
        return load(self, authority, stored)

    monkeypatch.setattr(Sealer, "load", counted)
    with Home.open(home.path) as poor, caplog.at_level(logging.WARNING):
        running = Responder(poor)
        running._sign_ahead()
        first = tried
        for number in range(50):
            assert refusal(running, question(woovi, b"%d" % number)) is OCSPResponseStatus.TRY_LATER
        assert tried == first
        running.close()
    assert len(caplog.records) < 5, "strangers do not fill the log"
    assert delegates(home) == 0


def test_an_old_delegate_goes_on_when_the_key_is_gone(
    home: Home, running: Responder, woovi: Identity, clock: Clock, tmp_path: Path
) -> None:
    home.keys.export("issuing-1", tmp_path / "issuing.key")
    clock.move(OCSP.lifetime / 2 + timedelta(days=1))
    assert status(running, woovi) is GOOD
    clock.move(OCSP.lifetime / 2)
    assert refusal(running, question(woovi)) is OCSPResponseStatus.TRY_LATER


def test_a_root_that_is_offline_has_others_try_later_and_its_ca_goes_on(
    home: Home, woovi: Identity, tmp_path: Path
) -> None:
    home.keys.export("root", tmp_path / "root.key")
    running = Responder(home)
    issuing = home.hierarchy.issuing.certificate.serial_number
    assert refusal(running, asked(home.hierarchy.root.certificate, issuing)) is OCSPResponseStatus.TRY_LATER
    assert status(running, woovi) is GOOD
    running.close()


def test_keys_that_were_sealed_anew_are_found(home: Home, running: Responder) -> None:
    home.hierarchy.add("partners", purpose=Purpose.CLIENT)
    made = home.authority.issue_client("woovi")
    with Home.open(home.path) as poor:
        late = Responder(poor)
        with Home.open(home.path) as other:
            other.change_passphrase(b"another one", cost=CHEAP_SEALING)
        late._look()
        assert status(late, made) is GOOD
        late.close()


def test_many_at_once_get_right_answers_while_certificates_are_revoked(home: Home, running: Responder) -> None:
    made = [home.authority.issue_client("woovi") for _ in range(12)]
    running._watcher.start()

    def about(turn: int) -> tuple[int, OCSPResponse]:
        if turn % 20 == 0:
            home.revocation.revoke(made[turn // 20].thumbprint)
        return turn % 12, ask(running, question(made[turn % 12], b"n" if turn % 2 else None))

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(about, range(240)))
    for number, found in answers:
        assert found.serial_number == made[number].certificate.serial_number
    running._look()
    assert {status(running, each) for each in made} == {REVOKED}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=foreign([asked(issuing_ca().certificate, 5), asked(issuing_ca().certificate, 1 << 127, b"n" * 32)]))
def test_whatever_is_asked_there_is_an_answer(running: Responder, data: bytes) -> None:
    found = ask(running, data)
    assert found.response_status in {OCSPResponseStatus.MALFORMED_REQUEST, OCSPResponseStatus.UNAUTHORIZED}
