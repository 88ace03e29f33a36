"""Invitations: used once, by whom they are for, for what they say, and before they end. On both databases."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from mutua import Home
from mutua.ca.policy import DEFAULT_POLICIES, Policy
from mutua.errors import (
    InvalidAddress,
    InvalidClientName,
    InvalidInput,
    InvalidLifetime,
    InvalidName,
    MutuaError,
    RefusedEnrolment,
    RefusedRequest,
    UnknownClient,
    UnknownInvitation,
    UnreadableRequest,
)
from mutua.home.invitations import MAX_EXPIRES
from mutua.home.requests import Signed
from mutua.pki.certificates import names_of
from mutua.pki.keys import KeyType, PrivateKey, public_key_bytes
from mutua.pki.names import parse_name
from mutua.pki.requests import write_request
from mutua.registry.invitations import Invitation, read_invitation, write_invitation
from tests.clock import Clock
from tests.home.shared import make_shared
from tests.home.tables import tables
from tests.pki import forged_requests as forge
from tests.pki.hierarchy import key_of
from tests.postgresql import Cluster

EST = "https://pki.acme.example:8443"
KEY, OTHER = key_of("enrolled"), key_of("another")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home on either database, one for all tests here."""
    place = tmp_path_factory.mktemp("invitations") / "shared"
    if request.param == "sqlite":
        yield make_shared(place)
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    with cluster.database() as name:
        yield make_shared(place, cluster.url(name))


@pytest.fixture
def either(folder: Path) -> Iterator[Home]:
    with Home.open(folder) as opened:
        yield opened


@pytest.fixture
def ana(either: Home) -> str:
    """A client that nobody has dealt with before."""
    return either.clients.add(f"ana-{len(either.clients.all())}").name


def request_of(key: PrivateKey = KEY, *names: str) -> bytes:
    return write_request(key, [parse_name(name) for name in names])


def enrol(home: Home, invitation: Invitation, key: PrivateKey = KEY, *names: str) -> Signed:
    return home.invitations.enrol(invitation.token, request_of(key, *names), client=invitation.client)


def refusal(home: Home, token: str, client: str, key: PrivateKey = KEY) -> str:
    """Why a token is refused, and that nothing came of it."""
    before = tables(home)
    with pytest.raises(RefusedEnrolment) as caught:
        home.invitations.enrol(token, request_of(key), client=client)
    assert tables(home) == before
    assert token not in caught.value.message
    return caught.value.message


def kinds(home: Home) -> list[str]:
    return [event.kind for event in home.audit.after(0)]


def test_what_is_invited_is_certified_and_told_in_the_trail(either: Home, ana: str) -> None:
    invitation = either.invitations.invite(ana, url=EST, lifetime=timedelta(days=3))
    assert (open_one := either.invitations.of(ana)[0]).is_open(either.now())
    signed = enrol(either, invitation)
    assert signed.certificate.public_key() == KEY.public_key()
    assert [str(name) for name in names_of(signed.certificate)] == [ana] == list(invitation.names)
    assert signed.certificate.not_valid_after_utc - either.now() <= timedelta(days=3)
    record = either.authority.certificate(signed.thumbprint)
    assert (record.client, record.profile) == (ana, "client")
    (used,) = either.invitations.of(ana)
    assert used == replace(open_one, used_at=used.used_at, certificate=signed.thumbprint)
    assert not used.is_open(either.now())
    assert kinds(either)[-3:] == ["invitation.made", "invitation.used", "certificate.issued"]
    either.audit.verify()


def test_the_invitation_carries_where_to_go_and_whom_to_trust(either: Home, ana: str) -> None:
    invitation = either.invitations.invite(ana, url=EST + "/")
    assert invitation.url == EST
    assert invitation.anchor == either.hierarchy.root.certificate
    assert read_invitation(write_invitation(invitation)) == invitation


def test_of_the_token_only_a_hash_is_kept(home: Home) -> None:
    token = home.invitations.invite("woovi", url=EST).token
    assert token not in str(tables(home))
    assert token not in str(list(home.audit.after(0)))
    home.store.close()
    assert token.encode() not in b"".join(path.read_bytes() for path in home.path.rglob("*") if path.is_file())


def test_a_server_is_invited_by_the_names_that_it_will_have(either: Home, ana: str) -> None:
    names = [parse_name("api.acme.example"), parse_name("10.0.0.1")]
    signed = enrol(either, either.invitations.invite(ana, url=EST, profile="server", names=names))
    record = either.authority.certificate(signed.thumbprint)
    assert (record.profile, record.client, record.names) == ("server", None, ("api.acme.example", "10.0.0.1"))


@pytest.mark.parametrize(("profile", "other"), [("server", "client"), ("client", "server")])
def test_an_invitation_for_one_profile_gives_none_of_another(home: Home, profile: str, other: str) -> None:
    purposes = {"server": "1.3.6.1.5.5.7.3.1", "client": "1.3.6.1.5.5.7.3.2"}
    usage = forge.extension("2.5.29.37", forge.write_der(0x30, forge.write_identifier(purposes[other])))
    ca = forge.extension("2.5.29.19", forge.write_der(0x30, forge.write_der(0x01, b"\xff")))
    names = [parse_name("api.acme.example")] if profile == "server" else []
    invitation = home.invitations.invite("woovi", url=EST, profile=profile, names=names)
    request = forge.forged(forge.extension_request(usage, ca), key=KEY)
    made = home.invitations.enrol(invitation.token, request, client="woovi").certificate.extensions
    granted = made.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [each.dotted_string for each in granted] == [purposes[profile]]
    assert not made.get_extension_for_class(x509.BasicConstraints).value.ca


def test_names_of_others_in_the_request_are_dropped_and_said(either: Home, ana: str) -> None:
    signed = enrol(either, either.invitations.invite(ana, url=EST), KEY, "bia", "root.acme.example")
    assert [str(name) for name in names_of(signed.certificate)] == [ana]
    assert set(signed.dropped) >= {"name 'bia'", "name 'root.acme.example'"}
    subject = signed.certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    assert [each.value for each in subject] == [ana]


# Used once.


def test_a_token_is_good_for_one_key(either: Home, ana: str) -> None:
    invitation = either.invitations.invite(ana, url=EST)
    enrol(either, invitation)
    assert "used already, for another key" in refusal(either, invitation.token, ana, key=OTHER)


def test_the_same_key_that_lost_its_answer_gets_the_same_certificate(either: Home, ana: str) -> None:
    invitation = either.invitations.invite(ana, url=EST)
    first, before = enrol(either, invitation), tables(either)
    again = enrol(either, invitation)
    assert (again.der, again.chain) == (first.der, first.chain)
    assert tables(either) == before


def test_what_was_revoked_is_not_handed_out_again(either: Home, ana: str) -> None:
    invitation = either.invitations.invite(ana, url=EST)
    either.revocation.revoke(enrol(either, invitation).thumbprint)
    assert "is revoked" in refusal(either, invitation.token, ana)


def test_of_machines_that_race_with_one_token_one_wins(folder: Path, ana: str) -> None:
    keys = [key_of(f"racer {number}") for number in range(8)]
    with Home.open(folder) as one, Home.open(folder) as another:
        for _ in range(3):
            invitation = one.invitations.invite(ana, url=EST)

            def attempt(number: int, invitation: Invitation = invitation) -> Signed | MutuaError:
                try:
                    return enrol((one, another)[number % 2], invitation, keys[number])
                except MutuaError as error:
                    return error

            with ThreadPoolExecutor(len(keys)) as threads:
                outcomes = list(threads.map(attempt, range(len(keys))))
            won = [each for each in outcomes if isinstance(each, Signed)]
            assert len(won) == 1
            assert all(isinstance(each, RefusedEnrolment) for each in outcomes if each is not won[0])
        assert len(list(one.authority.certificates(client=ana))) == 3
        assert len(one.invitations.of(ana)) == 3
        one.audit.verify()


def test_the_same_machine_twice_at_once_has_one_certificate(folder: Path, ana: str) -> None:
    with Home.open(folder) as one, Home.open(folder) as another:
        invitation = one.invitations.invite(ana, url=EST)
        with ThreadPoolExecutor(4) as threads:
            made = list(threads.map(lambda number: enrol((one, another)[number % 2], invitation), range(4)))
        assert len({each.thumbprint for each in made}) == 1


# Who, until when, for what.


def test_a_token_of_another_client_is_refused(either: Home, ana: str) -> None:
    token = either.invitations.invite(ana, url=EST).token
    assert f"for {ana!r}, and not for 'bia'" in refusal(either, token, "bia")
    assert "and not for ''" in refusal(either, token, "")


@pytest.mark.parametrize("token", ["", "A" * 43, "x", "\x00", "é", "A" * 10_000, "\ud800"])
def test_what_is_no_token_of_ours_is_refused(either: Home, ana: str, token: str) -> None:
    with pytest.raises(RefusedEnrolment, match="no such invitation"):
        either.invitations.enrol(token, request_of(), client=ana)


@pytest.mark.parametrize("client", ["\x00", "\ud800", "é", "x" * 10_000])
def test_a_name_that_no_database_takes_is_refused(either: Home, ana: str, client: str) -> None:
    token = either.invitations.invite(ana, url=EST).token
    with pytest.raises(RefusedEnrolment, match="and not for"):
        either.invitations.find(token, client=client)


def test_an_expired_invitation_is_refused_used_or_not(home: Home, clock: Clock) -> None:
    unused, used = (home.invitations.invite("woovi", url=EST, expires=timedelta(minutes=30)) for _ in range(2))
    enrol(home, used)
    clock.move(timedelta(minutes=31))
    for each in (unused, used):
        assert "has expired" in refusal(home, each.token, "woovi")


def test_a_withdrawn_invitation_is_refused_and_a_used_one_stays_in_the_list(either: Home, ana: str) -> None:
    used, open_one = (either.invitations.invite(ana, url=EST) for _ in range(2))
    enrol(either, used)
    assert either.invitations.withdraw(ana) == 1
    assert "no such invitation" in refusal(either, open_one.token, ana)
    assert [each.is_open(either.now()) for each in either.invitations.of(ana)] == [False]
    with pytest.raises(UnknownInvitation):
        either.invitations.withdraw(ana)


def test_a_suspended_client_cannot_enrol_until_it_is_resumed(either: Home, ana: str) -> None:
    invitation = either.invitations.invite(ana, url=EST)
    either.clients.suspend(ana)
    assert "suspended" in refusal(either, invitation.token, ana)
    either.clients.resume(ana)
    assert enrol(either, invitation)


def test_the_invitations_of_a_client_that_is_removed_are_gone_with_it(either: Home, ana: str) -> None:
    used, unused = (either.invitations.invite(ana, url=EST) for _ in range(2))
    enrol(either, used)
    either.clients.remove(ana, force=True)
    either.clients.add(ana)
    for each in (used, unused):
        assert "no such invitation" in refusal(either, each.token, ana)
    assert either.invitations.of(ana) == []
    either.audit.verify()


@pytest.mark.parametrize("act", ["suspend", "withdraw", "remove"])
def test_what_happens_between_the_judgement_and_the_commit_counts(
    home: Home, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    invitation = home.invitations.invite("woovi", url=EST)
    acts: dict[str, Callable[[], object]] = {
        "suspend": lambda: home.clients.suspend("woovi"),
        "withdraw": lambda: home.invitations.withdraw("woovi"),
        "remove": lambda: home.clients.remove("woovi", force=True),
    }
    issue = home.authority.issuing.issue

    def meanwhile(orders: Any) -> Any:
        acts[act]()
        return issue(orders)

    monkeypatch.setattr(home.authority.issuing, "issue", meanwhile)
    with pytest.raises((RefusedEnrolment, UnknownClient)):
        enrol(home, invitation)
    assert "invitation.used" not in kinds(home)


# The request.


def test_a_request_that_is_no_good_leaves_the_invitation_open(either: Home, ana: str) -> None:
    invitation = either.invitations.invite(ana, url=EST)
    of_another_key = forge.forged(key=OTHER, spki=public_key_bytes(KEY.public_key()))
    for data in (b"", b"junk", b"\x30\x80", of_another_key):
        with pytest.raises(UnreadableRequest):
            either.invitations.enrol(invitation.token, data, client=ana)
    assert enrol(either, invitation)


def test_the_policy_for_keys_holds(home: Home) -> None:
    changed = Policy.parse({"keys": ["p256"]}, DEFAULT_POLICIES["client"])
    home.settings = replace(home.settings, policies={**DEFAULT_POLICIES, "client": changed})
    invitation = home.invitations.invite("woovi", url=EST)
    with pytest.raises(RefusedRequest, match="not allowed"):
        enrol(home, invitation, key_of("enrolled", KeyType.ED25519))
    assert enrol(home, invitation)


def test_the_policy_for_how_many_certificates_holds(home: Home) -> None:
    changed = Policy.parse({"max_valid": 1}, DEFAULT_POLICIES["client"])
    home.settings = replace(home.settings, policies={**DEFAULT_POLICIES, "client": changed})
    with pytest.raises(RefusedRequest, match="may have 1"):
        enrol(home, home.invitations.invite("woovi", url=EST))
    assert "invitation.used" not in kinds(home)


def test_a_ca_that_gets_a_successor_meanwhile_signs_no_more_and_the_token_is_used_once(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    invitation = home.invitations.invite("woovi", url=EST)
    sign = home.authority.issuing.sign
    rotated: list[object] = []

    def meanwhile(orders: Any) -> Any:
        signed = sign(orders)
        if not rotated:
            rotated.append(home.hierarchy.rotate())
        return signed

    monkeypatch.setattr(home.authority.issuing, "sign", meanwhile)
    signed = enrol(home, invitation)
    assert home.authority.certificate(signed.thumbprint).authority == "issuing-2"
    assert home.invitations.of("woovi")[0].certificate == signed.thumbprint
    home.audit.verify()


# Inviting.


def test_a_client_is_made_only_if_that_is_asked_for(either: Home) -> None:
    with pytest.raises(UnknownClient):
        either.invitations.invite("nobody", url=EST)
    assert enrol(either, either.invitations.invite("nobody", url=EST, add=True))
    assert either.clients.get("nobody").grants == ()
    either.invitations.invite("nobody", url=EST, add=True)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"client": "../x"}, InvalidClientName),
        ({"profile": "root"}, InvalidInput),
        ({"profile": "server"}, InvalidName),
        ({"names": [parse_name("*.acme.example")]}, InvalidName),
        ({"names": [parse_name(f"{number}.acme.example") for number in range(101)]}, InvalidName),
        ({"expires": timedelta(0)}, InvalidLifetime),
        ({"expires": MAX_EXPIRES + timedelta(seconds=1)}, InvalidLifetime),
        ({"lifetime": timedelta(0)}, InvalidLifetime),
        ({"lifetime": timedelta(days=366)}, InvalidLifetime),
        ({"url": "http://pki.acme.example"}, InvalidAddress),
        ({"url": None}, InvalidInput),
    ],
    ids=["client", "profile", "no names", "wildcard", "many", "at once", "long", "0 s", "a year", "http", "no url"],
)
def test_what_no_certificate_could_come_of_is_refused_at_once(
    home: Home, arguments: dict[str, Any], error: type[MutuaError]
) -> None:
    before = tables(home)
    with pytest.raises(error):
        home.invitations.invite(**{"client": "woovi", "url": EST, **arguments})
    assert tables(home) == before


def test_open_invitations_of_a_client_are_bounded(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mutua.home.invitations.MAX_OPEN", 2)
    enrol(home, home.invitations.invite("woovi", url=EST))
    for _ in range(2):
        home.invitations.invite("woovi", url=EST)
    with pytest.raises(InvalidInput, match="2 open invitations"):
        home.invitations.invite("woovi", url=EST)
