from dataclasses import FrozenInstanceError
from datetime import timedelta

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from mutua.pki.profiles import CLIENT, CLOCK_SKEW, ISSUING_CA, PROFILES, ROOT, SERVER, Profile


def test_there_are_four_profiles_by_name() -> None:
    assert PROFILES == {"root": ROOT, "issuing-ca": ISSUING_CA, "server": SERVER, "client": CLIENT}


def test_a_server_is_no_client_and_a_client_no_server() -> None:
    assert SERVER.purpose == ExtendedKeyUsageOID.SERVER_AUTH
    assert CLIENT.purpose == ExtendedKeyUsageOID.CLIENT_AUTH


@pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
def test_profiles_are_frozen_and_bounded(profile: Profile) -> None:
    with pytest.raises(FrozenInstanceError):
        profile.is_ca = True  # type: ignore[misc]
    assert timedelta(0) < profile.lifetime <= profile.max_lifetime


def test_only_the_cas_sign_and_the_path_below_them_is_bounded() -> None:
    assert [profile.name for profile in PROFILES.values() if profile.is_ca] == ["root", "issuing-ca"]
    assert (ROOT.path_length, ISSUING_CA.path_length) == (1, 0)
    assert SERVER.path_length is CLIENT.path_length is None


def test_certificates_start_five_minutes_in_the_past() -> None:
    assert timedelta(minutes=5) == CLOCK_SKEW
