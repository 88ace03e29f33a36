"""What a file is good for: whose identity, whether it can authenticate a client, whether its chain is complete."""

from datetime import timedelta

import pytest

from mutua.doctor.identities import Holding, Holds, describe_holding, holding
from mutua.pki.certificates import write_pem
from mutua.pki.contents import read_contents
from mutua.pki.keys import write_private_key
from mutua.pki.pkcs7 import write_pkcs7
from mutua.pki.pkcs12 import write_pkcs12
from mutua.pki.thumbprints import x5t_s256
from tests.pki.hierarchy import NOW, client, issue, issuing_ca, key_of, make_root, root, server

WOOVI = client()
LEAF, ISSUING = WOOVI.chain
ROOT = root().certificate


def held(data: bytes, password: bytes | None = None) -> Holding:
    found = holding(read_contents(data, password))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("data", "holds"),
    [
        (WOOVI.key_pem() + WOOVI.chain_pem(), Holds.IDENTITY),
        (write_pkcs12(WOOVI.key, WOOVI.chain, password=b"x", compatible=True), Holds.IDENTITY),
        (WOOVI.chain_pem(), Holds.CERTIFICATE),
        (write_pkcs7(WOOVI.chain), Holds.CERTIFICATE),
        (write_private_key(key_of("root")) + WOOVI.chain_pem(), Holds.MISMATCH),
        (write_pem([ISSUING, ROOT]), Holds.AUTHORITIES),
        (b"".join(each.key_pem() + each.chain_pem() for each in (WOOVI, issue(issuing_ca()))), Holds.IDENTITIES),
    ],
    ids=["pem", "pkcs12", "chain", "pkcs7", "mismatch", "authorities", "two"],
)
def test_what_a_file_is_seen_as_an_identity(data: bytes, holds: Holds) -> None:
    assert held(data, b"x").holds is holds


def test_without_a_certificate_there_is_nothing_to_say() -> None:
    assert holding(read_contents(WOOVI.key_pem())) is None


def test_nor_of_a_bundle_of_everything() -> None:
    assert holding(read_contents(write_pem([ROOT] * 101))) is None


def test_an_identity_says_all_of_it() -> None:
    told = describe_holding(held(WOOVI.key_pem() + write_pem([ROOT, ISSUING, LEAF])), NOW)
    assert told["subject"] == "CN=woovi"
    assert told["thumbprint"] == WOOVI.thumbprint
    assert told["not_after"] == WOOVI.not_after
    assert (told["client_auth"], told["problems"]) == (True, [])
    assert told["chain"] == [x5t_s256(LEAF), x5t_s256(ISSUING)]
    assert (told["chain_state"], told["root"], told["missing_issuer"]) == ("complete", x5t_s256(ROOT), None)


@pytest.mark.parametrize(
    ("data", "later", "problem"),
    [
        (WOOVI.chain_pem(), timedelta(days=5000), "expired"),
        (WOOVI.chain_pem(), timedelta(days=-5000), "not_yet_valid"),
        (server().chain_pem(), timedelta(), "wrong_purpose"),
    ],
    ids=["expired", "not-yet-valid", "wrong-purpose"],
)
def test_why_it_cannot_authenticate_a_client(data: bytes, later: timedelta, problem: str) -> None:
    told = describe_holding(held(data), NOW + later)
    assert (told["client_auth"], told["problems"]) == (False, [problem])


@pytest.mark.parametrize(
    ("certificates", "state"),
    [
        ([LEAF], "incomplete"),
        ([LEAF, ISSUING], "perhaps"),
        ([LEAF, ISSUING, ROOT], "complete"),
        ([LEAF, ROOT], "incomplete"),
        ([LEAF, ISSUING, make_root(organization="Stranger").certificate], "incomplete"),
        ([ROOT], "complete"),
    ],
    ids=["leaf", "intermediate", "root", "gap", "another-root", "root-alone"],
)
def test_whether_the_chain_is_complete(certificates: list[object], state: str) -> None:
    assert describe_holding(held(write_pem(certificates)), NOW)["chain_state"] == state  # type: ignore[arg-type]


def test_what_was_fetched_is_no_longer_missing() -> None:
    alone = held(write_pem([LEAF, ROOT]))
    whole = alone.completed((LEAF, ISSUING), ROOT)
    assert whole.missing is None
    assert whole.ordered.others == ()
