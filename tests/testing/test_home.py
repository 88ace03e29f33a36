"""The home for tests: real in all but its secrets and its clock."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mutua import Home, Identity
from mutua.errors import ClientExists, InvalidClientName, UnknownCertificate
from mutua.registry.clients import ClientState
from mutua.testing import UnsafeHome, expired, known, not_yet_valid, outside_grant, stranger, suspended
from mutua.testing.cast import Cast


def test_each_test_has_a_home_of_its_own_first(mutua_home: UnsafeHome) -> None:
    mutua_home.clients.suspend("known")


def test_each_test_has_a_home_of_its_own_second(mutua_home: UnsafeHome) -> None:
    assert mutua_home.clients.get("known").state is ClientState.ACTIVE


def test_it_is_a_home_like_any_other(mutua_home: UnsafeHome) -> None:
    with Home.open(mutua_home.path) as opened:
        opened.audit.verify()
        names = {client.name for client in opened.clients.all()}

    assert names >= {"known", "revoked", "suspended", "outside-grant", "expired", "not-yet-valid"}


def test_its_making_is_paid_for_once(mutua_cast: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("made again")

    monkeypatch.setattr("mutua.pki.randomness.generate_key", never)
    monkeypatch.setattr("cryptography.hazmat.primitives.kdf.scrypt.Scrypt.derive", never)

    with mutua_cast.home(tmp_path / "first") as first, mutua_cast.home(tmp_path / "second") as second:
        assert first.trust == second.trust


def test_the_passphrase_of_whoever_runs_the_tests_plays_no_part(
    mutua_cast: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUTUA_PASSPHRASE", "of the developer's own home")

    with mutua_cast.home(tmp_path / "home") as home:
        assert known(home, "woovi", allow=[]).thumbprint
    with UnsafeHome.make(tmp_path / "made") as made:
        assert known(made, "woovi", allow=[]).thumbprint


def test_the_clock_is_right_again_afterwards_whatever_happens(mutua_home: UnsafeHome) -> None:
    with mutua_home.at(timedelta(days=-1)):
        assert mutua_home.now() < datetime.now(UTC) - timedelta(hours=23)
    with pytest.raises(InvalidClientName), mutua_home.at(timedelta(days=-1)):
        mutua_home.clients.add("No Name")

    assert abs(mutua_home.now() - datetime.now(UTC)) < timedelta(hours=1)


def test_certificates_out_of_their_time_are_in_the_inventory(mutua_home: UnsafeHome) -> None:
    now = datetime.now(UTC)
    over, ahead = expired(mutua_home, "late"), not_yet_valid(mutua_home, "early")

    assert over.not_after < now < ahead.certificate.not_valid_before_utc
    for identity, client in ((over, "late"), (ahead, "early")):
        assert mutua_home.authority.certificate(identity.thumbprint).client == client


def test_a_client_that_is_there_gets_another_certificate(mutua_home: UnsafeHome) -> None:
    first, second = known(mutua_home, "woovi", allow=["GET /status"]), known(mutua_home, "woovi")

    assert first.thumbprint != second.thumbprint
    assert [str(grant) for grant in mutua_home.clients.get("woovi").grants] == ["GET /status"]
    with pytest.raises(ClientExists):
        known(mutua_home, "woovi", allow=["GET /**"])


def test_a_client_that_may_call_something_is_never_outside_its_grants(mutua_home: UnsafeHome) -> None:
    with pytest.raises(ClientExists, match="has grants"):
        outside_grant(mutua_home, "known")


def test_a_client_that_is_there_can_be_suspended(mutua_home: UnsafeHome) -> None:
    known(mutua_home, "woovi", allow=["GET /status"])
    suspended(mutua_home, "woovi")

    assert mutua_home.clients.get("woovi").state is ClientState.SUSPENDED


def test_a_stranger_is_in_no_registry(mutua_home: UnsafeHome, mutua_stranger: Identity) -> None:
    for identity in (mutua_stranger, stranger(mutua_home, "known")):
        with pytest.raises(UnknownCertificate):
            mutua_home.authority.certificate(identity.thumbprint)


def test_what_is_unsafe_in_production_says_so_in_its_name() -> None:
    import mutua.testing.home as module

    weak = {name for name, value in vars(module).items() if "passphrase" in name.lower() or "cost" in name.lower()}
    assert weak - {"Cost"} == {"_UNSAFE_PASSPHRASE", "_UNSAFE_COST"}
    assert [each.__name__ for each in vars(module).values() if isinstance(each, type) and issubclass(each, Home)] == [
        "Home",
        "UnsafeHome",
    ]
