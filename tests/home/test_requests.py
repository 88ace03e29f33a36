"""Requests: the policy is enforced, everything wrong is said at once, and a refusal stores nothing but itself."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mutua import Home, KeyType
from mutua.ca.policy import DEFAULT_POLICIES, Policy
from mutua.errors import (
    InvalidClientName,
    InvalidInput,
    MutuaError,
    RefusedRequest,
    UnknownAuthority,
    UnknownClient,
    UnreadableRequest,
)
from mutua.home import requests
from mutua.home.requests import MAX_REASON, Ask, Signed
from mutua.pki.names import DnsName, parse_name
from mutua.pki.requests import write_request
from tests.home.tables import tables
from tests.pki import forged_requests as forge
from tests.pki.hierarchy import key_of
from tests.pki.test_hostile_requests import FILLED, HOSTILE

KEY = key_of("end entity")
WOOVI = write_request(KEY, [DnsName("woovi")], "woovi")


def allow(home: Home, **settings: Any) -> None:
    """Another policy for clients."""
    policy = Policy.parse(settings, DEFAULT_POLICIES["client"])
    home.settings = replace(home.settings, policies={**DEFAULT_POLICIES, "client": policy})


def last_event(home: Home) -> tuple[str, str, str]:
    *_, last = home.audit.after(0)
    return last.kind, last.subject, last.body


def events(home: Home) -> int:
    return sum(1 for _ in home.audit.after(0))


def ask(*names: str, **facts: Any) -> Ask:
    request = write_request(facts.pop("key", KEY), [parse_name(name) for name in names])
    return Ask(request=request, **{"client": "woovi", **facts})


@pytest.mark.parametrize("form", ["pem", "der"])
def test_a_request_is_certified_in_either_form(home: Home, form: str) -> None:
    data = WOOVI if form == "pem" else x509.load_pem_x509_csr(WOOVI).public_bytes(Encoding.DER)
    signed = home.requests.sign(data, client="woovi")
    assert signed.certificate.public_key() == KEY.public_key()
    assert [each.subject.rfc4514_string() for each in signed.chain] == ["CN=woovi", "CN=Issuing CA 1,O=Acme Payments"]
    assert signed.pem().count(b"BEGIN CERTIFICATE") == 2
    assert signed.dropped == ()
    record = home.authority.certificate(signed.thumbprint)
    assert (record.client, record.profile, record.names) == ("woovi", "client", ("woovi",))
    assert home.snapshot().issued[signed.thumbprint] == "woovi"
    assert home.audit.verify() == events(home)


def test_what_is_not_given_is_said(home: Home) -> None:
    wanted = forge.extension("2.5.29.19", forge.write_der(0x30, forge.write_der(0x01, b"\xff")))
    usage = forge.extension("2.5.29.37", forge.write_der(0x30, forge.write_identifier("1.3.6.1.5.5.7.3.1")))
    asked = forge.extension_request(wanted, usage, forge.alternatives(b"woovi"))
    name = forge.subject(("2.5.4.10", b"Evil"), ("2.5.4.3", b"root"))
    signed = home.requests.sign(forge.forged(asked, name=name), client="woovi")
    assert signed.dropped == (
        "subject O='Evil'",
        "extension basicConstraints CA:TRUE",
        "purpose serverAuth",
        "subject CN='root'",
    )
    assert signed.certificate.subject.rfc4514_string() == "CN=woovi"
    assert not signed.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_everything_that_is_wrong_is_said_at_once(home: Home) -> None:
    allow(home, keys=["p256"], max_valid=1, max_days=30)
    before = tables(home)
    key = key_of("end entity", KeyType.RSA2048)
    asked = write_request(key, [DnsName("bank"), DnsName("*.woovi")])
    with pytest.raises(RefusedRequest) as caught:
        home.requests.sign(asked, client="woovi", lifetime=timedelta(days=31))
    said = "; ".join(caught.value.violations)
    for wrong in ("RSA-2048 keys are not allowed", "'bank' is not allowed", "wildcard", "31 days", "1 valid"):
        assert wrong in said, wrong
    assert tables(home) == before


@pytest.mark.parametrize("what", HOSTILE)
def test_of_a_hostile_request_only_its_refusal_is_stored(home: Home, what: str) -> None:
    data, reason = HOSTILE[what]
    before, happened = tables(home), events(home)
    started = time.process_time()
    with pytest.raises(UnreadableRequest) as caught:
        home.requests.sign(data, client="woovi")
    assert time.process_time() - started < 1
    assert reason in caught.value.message
    assert tables(home) == before
    assert events(home) == happened + 1
    kind, subject, body = last_event(home)
    assert (kind, subject) == ("request.refused", "woovi")
    assert len(body) < MAX_REASON + 200
    assert body.isprintable()


@pytest.mark.parametrize("what", FILLED)
def test_a_request_that_is_filled_to_the_limit_is_answered_within_a_second(home: Home, what: str) -> None:
    before, happened = tables(home), events(home)
    started = time.process_time()
    try:
        signed = home.requests.sign(FILLED[what], client="woovi")
    except (RefusedRequest, UnreadableRequest):
        assert tables(home) == before
        assert events(home) == happened + 1
        assert len(last_event(home)[2]) < MAX_REASON + 200
    else:
        assert home.authority.certificate(signed.thumbprint).names == ("woovi",)
    assert time.process_time() - started < 1


@pytest.mark.parametrize("client", ["", "Woovi", "woo vi", "../woovi", "woovi\n", "wo\0ovi", "wo\udcffovi", "w" * 64])
def test_what_cannot_name_a_client_gets_nowhere(home: Home, client: str) -> None:
    before, happened = tables(home), events(home)
    with pytest.raises(InvalidClientName):
        home.requests.sign(WOOVI, client=client)
    assert (tables(home), events(home)) == (before, happened)


def test_a_client_that_is_not_registered_gets_nothing(home: Home) -> None:
    before = tables(home)
    with pytest.raises(UnknownClient):
        home.requests.sign(write_request(KEY, [DnsName("nobody")]), client="nobody")
    assert tables(home) == before


@pytest.mark.parametrize(
    ("facts", "error"),
    [
        ({"profile": "root", "client": None}, InvalidInput),
        ({"profile": "server", "client": "woovi"}, InvalidInput),
        ({"profile": "client", "client": None}, InvalidInput),
        ({"client": "woovi", "authority": "root"}, UnknownAuthority),
        ({"client": "woovi", "authority": "nobody"}, UnknownAuthority),
    ],
)
def test_a_mistake_of_whoever_passes_the_request_on_is_no_refusal(
    home: Home, facts: dict[str, Any], error: type[MutuaError]
) -> None:
    before, happened = tables(home), events(home)
    with pytest.raises(error):
        home.requests.sign(WOOVI, **facts)
    assert (tables(home), events(home)) == (before, happened)


def test_an_operators_names_need_no_policy(home: Home) -> None:
    names = [parse_name("api.acme.example"), parse_name("10.0.0.1")]
    signed = home.requests.sign(WOOVI, profile="server", names=names)
    assert home.authority.certificate(signed.thumbprint).names == ("api.acme.example", "10.0.0.1")
    assert signed.dropped == ("name 'woovi'", "subject CN='woovi'")
    with pytest.raises(RefusedRequest, match="names one client"):
        home.requests.sign(WOOVI, client="woovi", names=[DnsName("*.acme.example")])
    with pytest.raises(RefusedRequest, match="not allowed"):
        home.requests.sign(WOOVI, profile="server")


def test_answers_come_in_the_order_of_the_requests_and_one_refusal_is_only_its_own(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "BATCH", 4)
    keys = [key_of(f"machine {number}") for number in range(11)]
    asks = [ask("woovi", key=key) for key in keys]
    asks[1] = replace(asks[1], request=b"no request at all")
    asks[5] = ask("bank", key=keys[5])
    asks[6] = replace(asks[6], client="nobody", names=(DnsName("nobody"),))
    asks[9] = replace(asks[9], authority="nobody")
    allow(home, max_valid=100)
    happened = events(home)
    answers = list(home.requests.sign_many(asks))
    refused = {1: UnreadableRequest, 5: RefusedRequest, 6: UnknownClient, 9: UnknownAuthority}
    for number, answer in enumerate(answers):
        if number in refused:
            assert isinstance(answer, refused[number])
        else:
            assert isinstance(answer, Signed)
            assert answer.certificate.public_key() == keys[number].public_key()
            assert home.authority.certificate(answer.thumbprint).client == "woovi"
    assert len(answers) == 11
    assert events(home) == happened + 7 + 2, "seven certificates, two refusals"
    assert home.audit.verify() == events(home)


def test_nothing_is_asked_of_nobody(home: Home) -> None:
    happened = events(home)
    assert list(home.requests.sign_many([])) == []
    assert events(home) == happened


def test_whoever_walks_away_midway_leaves_everything_whole(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "BATCH", 3)
    allow(home, max_valid=1000)
    taken: list[Ask] = []

    def asks() -> Iterator[Ask]:
        for _ in range(30):
            taken.append(ask("woovi"))
            yield taken[-1]

    answers = home.requests.sign_many(asks())
    got = [each for each in islice(answers, 4) if isinstance(each, Signed)]
    answers.close()  # type: ignore[attr-defined]
    assert len(got) == 4
    inventory = {each.thumbprint for each in home.authority.certificates(client="woovi")}
    assert {each.thumbprint for each in got} < inventory
    assert len(inventory) <= len(taken) + 1 < 20, "no more was signed than was taken"
    assert home.audit.verify() == events(home)
    assert isinstance(next(home.requests.sign_many([ask("woovi")])), Signed)


def test_an_error_of_the_iterable_is_the_callers_and_leaves_everything_whole(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "BATCH", 2)
    allow(home, max_valid=1000)

    def asks() -> Iterator[Ask]:
        yield from [ask("woovi")] * 5
        raise LookupError("the end of the file is missing")

    answers = home.requests.sign_many(asks())
    got: list[Signed | MutuaError] = []
    with pytest.raises(LookupError):
        got.extend(answers)
    assert home.audit.verify() == events(home)
    assert len(got) <= len(list(home.authority.certificates(client="woovi")))


def test_two_generators_at_once_do_not_mix(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "BATCH", 3)
    home.clients.add("bank")
    allow(home, max_valid=1000)
    ours, theirs = (home.requests.sign_many([ask(name, client=name)] * 20) for name in ("woovi", "bank"))
    for mine, yours in zip(ours, theirs, strict=True):
        assert isinstance(mine, Signed)
        assert isinstance(yours, Signed)
        assert home.authority.certificate(mine.thumbprint).client == "woovi"
        assert home.authority.certificate(yours.thumbprint).client == "bank"
    assert home.audit.verify() == events(home)


def test_a_ca_that_another_process_rotates_between_two_batches_signs_no_more(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "BATCH", 2)
    allow(home, max_valid=1000)

    def asks() -> Iterator[Ask]:
        yield from [ask("woovi")] * 3
        with Home.open(home.path) as other:
            other.hierarchy.rotate()
        yield from [ask("woovi")] * 4

    answers = list(home.requests.sign_many(asks()))
    assert all(isinstance(each, Signed) for each in answers)
    authorities = [
        home.authority.certificate(each.thumbprint).authority for each in answers if isinstance(each, Signed)
    ]
    assert authorities == ["issuing-1"] * 2 + ["issuing-2"] * 5
    for each in answers[2:]:
        assert isinstance(each, Signed)
        assert each.chain[1].subject.rfc4514_string() == "CN=Issuing CA 2,O=Acme Payments"
        each.certificate.verify_directly_issued_by(each.chain[1])


@pytest.mark.parametrize("homes", [1, 4])
def test_sixteen_at_once_get_no_more_than_a_client_may_have(home: Home, homes: int) -> None:
    home.clients.add("bank")
    opened = [home, *(Home.open(home.path) for _ in range(homes - 1))]
    for each in opened:
        allow(each, max_valid=5)

    def sign(number: int) -> Signed | RefusedRequest:
        try:
            return opened[number % homes].requests.sign(write_request(KEY, [DnsName("bank")]), client="bank")
        except RefusedRequest as error:
            return error

    try:
        with ThreadPoolExecutor(16) as threads:
            answers: Sequence[Signed | RefusedRequest] = list(threads.map(sign, range(32)))
    finally:
        for each in opened[1:]:
            each.close()
    signed = [each for each in answers if isinstance(each, Signed)]
    assert len(signed) == 5
    assert {each.thumbprint for each in signed} == {
        each.thumbprint for each in home.authority.certificates(client="bank")
    }
    assert all("5 valid" in each.message for each in answers if isinstance(each, RefusedRequest))


def test_what_was_revoked_or_put_on_hold_does_not_count(home: Home) -> None:
    allow(home, max_valid=2)
    first = home.requests.sign(WOOVI, client="woovi")
    with pytest.raises(RefusedRequest):
        home.requests.sign(WOOVI, client="woovi")
    home.revocation.revoke(first.thumbprint, reason="certificate_hold")
    home.requests.sign(WOOVI, client="woovi")
    with pytest.raises(RefusedRequest):
        home.requests.sign(WOOVI, client="woovi")


def test_one_clients_number_is_not_anothers(home: Home) -> None:
    home.clients.add("bank")
    allow(home, max_valid=1)
    answers = list(home.requests.sign_many([ask("bank", client="bank"), ask("woovi"), ask("bank", client="bank")]))
    assert [type(each) for each in answers] == [Signed, RefusedRequest, RefusedRequest]
