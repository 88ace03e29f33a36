from dataclasses import FrozenInstanceError
from datetime import timedelta

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from mutua.pki.profiles import CLIENT, CLOCK_SKEW, ISSUING_CA, OCSP, PROFILES, ROOT, SERVER, Profile


def test_there_are_five_profiles_by_name() -> None:
    assert PROFILES == {"root": ROOT, "issuing-ca": ISSUING_CA, "server": SERVER, "client": CLIENT, "ocsp": OCSP}


def test_a_server_is_no_client_and_a_client_no_server() -> None:
    assert SERVER.purpose == ExtendedKeyUsageOID.SERVER_AUTH
    assert CLIENT.purpose == ExtendedKeyUsageOID.CLIENT_AUTH


@pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
def test_profiles_are_frozen_and_bounded(profile: Profile) -> None:
    with pytest.raises(FrozenInstanceError):
        profile.no_check = True  # type: ignore[misc]
    assert timedelta(0) < profile.lifetime <= profile.max_lifetime


def test_only_a_responder_is_never_asked_about() -> None:
    assert [profile for profile in PROFILES.values() if profile.no_check] == [OCSP]
    assert OCSP.max_lifetime <= timedelta(days=30)


def test_certificates_start_five_minutes_in_the_past() -> None:
    assert timedelta(minutes=5) == CLOCK_SKEW
