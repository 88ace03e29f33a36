"""Renewal statements at a home: nobody else's, for nobody else, and not for long."""

from datetime import timedelta

import pytest

from mutua import Home, Identity
from mutua.errors import RefusedRenewal, UnreadableStatement
from mutua.pki.requests import read_request, write_request
from mutua.pki.statements import write_statement
from mutua.pki.thumbprints import x5t_s256
from tests.clock import Clock
from tests.home.renewing import by_connection, statement_of
from tests.home.tables import tables
from tests.pki.hierarchy import issue, issuing_ca, key_of

NEW_KEY = key_of("renewed")


@pytest.fixture
def woovi(home: Home) -> Identity:
    return home.identities.load("woovi")


def test_one_for_another_authority_is_refused(home: Home, woovi: Identity) -> None:
    request = read_request(write_request(NEW_KEY, ())).der
    for audience in (x5t_s256(home.hierarchy.root.certificate), x5t_s256(issuing_ca().certificate), ""):
        text = write_statement(woovi.key, woovi.certificate, request, now=home.now(), audience=audience)
        assert "for another authority" in refusal(home, text)


def test_one_that_names_anothers_certificate_is_refused(home: Home, woovi: Identity) -> None:
    victim = home.authority.issue_client("woovi")
    header, _, _ = statement_of(home, victim).split(".")
    _, payload, signature = statement_of(home, woovi, NEW_KEY).split(".")
    assert "not signed by the certificate's key" in refusal(home, f"{header}.{payload}.{signature}")


def test_one_by_a_stranger_is_refused(home: Home) -> None:
    assert "none that this authority renews" in refusal(home, statement_of(home, issue(issuing_ca())))


@pytest.mark.parametrize("minutes", [-6, 11])
def test_one_from_the_future_or_the_past_is_refused(home: Home, woovi: Identity, clock: Clock, minutes: int) -> None:
    text = statement_of(home, woovi)
    clock.move(timedelta(minutes=minutes))
    assert "clock" in refusal(home, text)


def test_one_that_is_sent_again_certifies_the_same_key_and_nothing_once_that_is_in_use(
    home: Home, woovi: Identity
) -> None:
    text = statement_of(home, woovi, NEW_KEY)
    first, again = home.renewal.by_statement(text), home.renewal.by_statement(text)
    assert first.certificate.public_key() == again.certificate.public_key() == NEW_KEY.public_key()
    by_connection(home, Identity(NEW_KEY, again.chain))
    assert "is in use" in refusal(home, text)


@pytest.mark.parametrize(
    "text", ["", "a.b.c", "\N{SNOWMAN}" * 10, "{}", "x" * 10_000_000], ids=["empty", "dots", "snow", "JSON", "10 MB"]
)
def test_what_is_none_is_told(home: Home, text: str) -> None:
    before = tables(home)
    with pytest.raises(UnreadableStatement):
        home.renewal.by_statement(text)
    assert tables(home) == before


def refusal(home: Home, text: str) -> str:
    before = tables(home)
    with pytest.raises(RefusedRenewal) as caught:
        home.renewal.by_statement(text)
    assert tables(home) == before
    return caught.value.message
