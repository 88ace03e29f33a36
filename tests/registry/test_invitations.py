"""Invitations as text: what is written is read again, and nothing else is taken for one."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mutua.errors import InvalidAddress, UnreadableInvitation
from mutua.pki.certificates import write_der
from mutua.pki.keys import KeyType
from mutua.pki.randomness import new_token
from mutua.pki.thumbprints import base64url
from mutua.registry.invitations import (
    MAX_INVITATION_CHARACTERS,
    PREFIX,
    Invitation,
    accepted_est_url,
    read_invitation,
    token_hash,
    write_invitation,
)
from tests.pki.hierarchy import key_of, make_root, root
from tests.pki.mutations import mutated

TOKEN = base64url(bytes(range(32)))
INVITATION = Invitation(
    url="https://pki.acme.example:8443",
    client="woovi",
    token=TOKEN,
    anchor=root().certificate,
    profile="client",
    names=("woovi", "spiffe://acme.example/woovi"),
    expires_at=datetime(2026, 11, 24, 12, tzinfo=UTC),
)
LINE = write_invitation(INVITATION)


def written(told: object) -> str:
    return PREFIX + base64url(json.dumps(told).encode())


def told(**changes: object) -> Mapping[str, Any]:
    whole = {
        "v": 1,
        "url": INVITATION.url,
        "client": "woovi",
        "token": TOKEN,
        "anchor": base64url(write_der(INVITATION.anchor)),
        "profile": "client",
        "names": ["woovi"],
        "exp": 1795521600,
    }
    return {name: value for name, value in {**whole, **changes}.items() if value is not None}


def test_what_is_written_is_read_again() -> None:
    assert read_invitation(LINE) == INVITATION
    assert LINE.startswith("mutua-invite:")
    assert LINE.isascii()
    assert len(LINE.split()) == 1


def test_the_largest_root_and_a_hundred_long_names_fit() -> None:
    largest = make_root(key_of("root", KeyType.RSA4096)).certificate
    names = tuple(f"{number:03}.{'a' * 63}.{'b' * 63}.{'c' * 63}.example" for number in range(100))
    made = replace(INVITATION, anchor=largest, names=names)
    assert len(write_invitation(made)) <= MAX_INVITATION_CHARACTERS
    assert read_invitation(write_invitation(made)) == made


def test_white_space_that_mail_puts_in_does_not_matter() -> None:
    pieces = "\r\n  ".join(LINE[place : place + 60] for place in range(0, len(LINE), 60))
    assert read_invitation(f"\n {pieces}\t\n") == INVITATION


def test_the_token_is_not_shown() -> None:
    assert TOKEN not in repr(INVITATION)


def test_what_a_later_mutua_adds_is_passed_over() -> None:
    assert read_invitation(written({**told(), "label": "pay"})).client == "woovi"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "does not begin"),
        ("mutua-invite", "does not begin"),
        (PREFIX, "not whole"),
        (LINE[:-2], "not whole"),
        (PREFIX + LINE.removeprefix(PREFIX).replace("a", "="), "not whole"),
        (PREFIX + "é", "not whole"),
        (PREFIX + urlsafe_b64encode(b"[" * 10_000).decode().rstrip("="), "not whole"),
        (PREFIX + "A" * MAX_INVITATION_CHARACTERS, "too many"),
        (written([]), "no version"),
        (written({**told(), "v": 2}), "no version"),
        (written({**told(), "v": None}), "no version"),
    ],
    ids=["nothing", "a word", "no content", "cut", "changed", "other letters", "deep", "long", "list", "v2", "no v"],
)
def test_what_is_none_is_refused(text: str, why: str) -> None:
    with pytest.raises(UnreadableInvitation, match=why) as caught:
        read_invitation(text)
    assert "\n" not in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "http://pki.acme.example"},
        {"url": "https://pki.acme.example/other"},
        {"url": "https://someone@pki.acme.example"},
        {"url": 7},
        {"client": "../woovi"},
        {"client": ["woovi"]},
        {"token": "short"},
        {"token": TOKEN + "A"},
        {"token": None},
        {"anchor": "AAAA"},
        {"anchor": ""},
        {"anchor": 1},
        {"profile": "root"},
        {"profile": ["client"]},
        {"names": "woovi"},
        {"names": ["a" * 300]},
        {"names": ["line\nbreak"]},
        {"names": ["x"] * 101},
        {"names": [1]},
        {"exp": "tomorrow"},
        {"exp": True},
        {"exp": 10**30},
        {"exp": None},
    ],
    ids=" ".join,
)
def test_a_member_that_is_no_good_refuses_the_whole(changes: Mapping[str, object]) -> None:
    with pytest.raises(UnreadableInvitation):
        read_invitation(written(told(**changes)))


@given(mutated([LINE.encode(), written(told()).encode()]) | st.binary(max_size=200))
def test_of_foreign_text_nothing_but_our_error_comes(data: bytes) -> None:
    with suppress(UnreadableInvitation):
        read_invitation(data.decode("utf-8", "replace"))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(told())), json_values)
def test_any_value_in_any_member_is_read_or_refused(member: str, value: object) -> None:
    with suppress(UnreadableInvitation):
        read_invitation(written({**told(), member: value}))


# The token.


def test_only_what_we_make_has_a_hash() -> None:
    token = new_token()
    hashed = token_hash(token)
    assert hashed is not None
    assert len(hashed) == 43
    assert token_hash(new_token()) != hashed
    for other in ("", token[:-1], token + "A", f"{token}=", token[:-1] + "B", " " + token, "é" * 43, "\ud800"):
        assert token_hash(other) != hashed


@pytest.mark.parametrize("text", ["", "A" * 42, "A" * 44, "A" * 42 + "B", "A" * 42 + "+", "é" * 43, "\x00" * 43])
def test_what_is_no_token_has_none(text: str) -> None:
    assert token_hash(text) is None


# The address.


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("https://pki.acme.example", "https://pki.acme.example"),
        ("https://pki.acme.example:8443/", "https://pki.acme.example:8443"),
        ("https://[::1]:8443", "https://[::1]:8443"),
    ],
)
def test_a_base_is_taken_without_its_slash(text: str, base: str) -> None:
    assert accepted_est_url(text) == base


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pki.acme.example",
        "http://pki.acme.example",
        "https://",
        "https://pki.acme.example:0",
        "https://pki.acme.example:99999",
        "https://pki.acme.example:x",
        "https://pki.acme.example/.well-known/est",
        "https://pki.acme.example?x",
        "https://pki.acme.example#x",
        "https://a@pki.acme.example",
        "https://pki.acme.example\\@evil.example",
        "https://pki acme.example",
        "https://pki.acme.example\n",
        "https://[::1",
        "https://bücher.example",
        "https://" + "a" * 600,
    ],
)
def test_what_is_no_base_is_refused(text: str) -> None:
    with pytest.raises(InvalidAddress):
        accepted_est_url(text)
