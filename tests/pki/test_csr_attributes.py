"""What an EST server recommends for a request, as other readers of DER see it."""

import subprocess
from collections.abc import Callable

import pytest

from mutua.ca.policy import DEFAULT_POLICIES, Policy
from mutua.pki.csr_attributes import write_csr_attributes


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (["p256", "rsa"], ["id-ecPublicKey", "prime256v1", "ecdsa-with-SHA256"]),
        (["p384", "ed25519"], ["id-ecPublicKey", "secp384r1", "ecdsa-with-SHA384"]),
        (["ed25519"], ["ED25519"]),
        (["rsa"], ["rsaEncryption", "0800", "sha256WithRSAEncryption"]),
        (["rsa3072"], ["rsaEncryption", "0C00", "sha256WithRSAEncryption"]),
    ],
    ids=["P-256", "P-384", "Ed25519", "RSA", "RSA-3072"],
)
def test_the_best_kind_of_key_that_the_policy_allows_is_named(
    peer: Callable[[str], str], keys: list[str], told: list[str]
) -> None:
    der = write_csr_attributes(Policy.parse({"keys": keys}).keys)
    parsed = subprocess.run(
        [peer("openssl"), "asn1parse", "-inform", "DER"], input=der, capture_output=True, check=True
    ).stdout.decode()
    assert [line.rpartition(":")[2] for line in parsed.splitlines() if "prim" in line] == told


def test_the_example_of_the_rfc_is_written_the_same_way() -> None:
    """RFC 7030 section 4.5.2 has ``SEQUENCE { OID ecPublicKey, SET { OID } }``, with another curve than ours."""
    der = write_csr_attributes({"p384": 0})
    assert "301206072a8648ce3d020131070605" + "2b81040022" in der.hex()


def test_without_a_policy_of_ones_own_p256_is_recommended() -> None:
    assert b"\x2a\x86\x48\xce\x3d\x03\x01\x07" in write_csr_attributes(DEFAULT_POLICIES["client"].keys)
