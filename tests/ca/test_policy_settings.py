from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mutua.ca.policy import CLIENT_POLICY, DEFAULT_POLICIES, MAX_DAYS, SERVER_POLICY, Policy
from mutua.errors import InvalidSettings
from tests.ca.judging import DAY, WOOVI, asking, violations


def test_the_defaults_are_kept_for_what_a_table_leaves_out() -> None:
    assert Policy.parse({}) == SERVER_POLICY == DEFAULT_POLICIES["server"]
    assert Policy.parse({}, CLIENT_POLICY) == CLIENT_POLICY == DEFAULT_POLICIES["client"]
    assert (CLIENT_POLICY.names, CLIENT_POLICY.max_valid) == (("{client}",), 16)
    assert (SERVER_POLICY.names, SERVER_POLICY.max_valid) == ((), None)
    changed = Policy.parse({"max_days": 7}, CLIENT_POLICY)
    assert (changed.names, changed.max_lifetime, changed.max_valid) == (("{client}",), 7 * DAY, 16)
    assert Policy.parse({"names": []}, CLIENT_POLICY).names == ()
    assert "'woovi' is not allowed" in violations(asking(WOOVI), Policy.parse({"names": []}, CLIENT_POLICY))[0]


MISTAKES: list[tuple[Any, str]] = [
    ({"name": ["x"]}, "unknown setting 'name'"),
    ({5: 5}, "unknown setting '5'"),
    ({"names": "woovi"}, "'names' must be a list of texts"),
    ({"names": [1]}, "'names' must be a list of texts"),
    ({"names": [""]}, "'' is not a pattern"),
    ({"names": ["*"]}, "'*' is not a pattern"),
    ({"names": ["**.acme.example"]}, "is not a pattern"),
    ({"names": ["api.*.example"]}, "is not a pattern"),
    ({"names": ["*.*.example"]}, "is not a pattern"),
    ({"names": ["*.10.0.0.1"]}, "is not a pattern"),
    ({"names": ["*@acme.example"]}, "is not a pattern"),
    ({"names": ["@"]}, "is not a pattern"),
    ({"names": ["@10.0.0.1"]}, "is not a pattern"),
    ({"names": ["10.0.0.1/8"]}, "has host bits set"),
    ({"names": ["10.0.0.0/33"]}, "is not a pattern"),
    ({"names": ["10.{client}.0.0/16"]}, "is not a pattern"),
    ({"names": ["acme.example/*"]}, "'acme.example/*' is not a pattern"),
    ({"names": ["spiffe://acme.example*"]}, "behind a URI's last slash"),
    ({"names": ["spiffe://*"]}, "is not a pattern"),
    ({"names": ["spiffe:///*"]}, "is not a pattern"),
    ({"names": ["https://acme.example:*"]}, "behind a URI's last slash"),
    ({"names": ["https://acme.example/?next=/*"]}, "is not a pattern"),
    ({"names": ["https://acme.example/#/*"]}, "is not a pattern"),
    ({"names": ["https://acme.example/*/x"]}, "is not a pattern"),
    ({"names": ["https://acme.example/x*"]}, "is not a pattern"),
    ({"names": ["urn:*"]}, "is not a pattern"),
    ({"names": ["urn:acme*"]}, "is not a pattern"),
    ({"names": ["spiffe://{client}/x"]}, "must be a domain"),
    ({"names": ["a b"]}, "a space or a control character"),
    ({"names": ["{Client}"]}, "is not a pattern"),
    ({"names": ["x" * 3000]}, "is not a pattern"),
    ({"keys": []}, "'keys' must be a list"),
    ({"keys": "p256"}, "'keys' must be a list"),
    ({"keys": ["p521"]}, "'p521' is none of"),
    ({"keys": ["P256"]}, "'P256' is none of"),
    ({"keys": [256]}, "'256' is none of"),
    ({"keys": [["p256"]]}, "is none of"),
    ({"keys": ["rsa1024"]}, "between rsa2048 and rsa8192"),
    ({"keys": ["rsa9999"]}, "between rsa2048 and rsa8192"),
    ({"keys": ["rsa99999"]}, "is none of"),
    ({"keys": ["rsa\u0662048"]}, "is none of"),
    ({"keys": ["p256", "p256"]}, "'p256' is there twice"),
    ({"keys": ["rsa", "rsa3072"]}, "'rsa' is there twice"),
    ({"max_days": 0}, "'max_days' must be a whole number"),
    ({"max_days": MAX_DAYS + 1}, "'max_days' must be a whole number"),
    ({"max_days": 1.5}, "'max_days' must be a whole number"),
    ({"max_days": True}, "'max_days' must be a whole number"),
    ({"max_days": "90"}, "'max_days' must be a whole number"),
    ({"max_valid": 0}, "'max_valid' must be a whole number"),
    ({"max_valid": -1}, "'max_valid' must be a whole number"),
    ({"max_valid": None}, "'max_valid' must be a whole number"),
    ("names", "a table of settings"),
    (None, "a table of settings"),
]


@pytest.mark.parametrize(("table", "mistake"), MISTAKES, ids=lambda value: ascii(value)[:60])
def test_a_mistake_in_the_settings_is_named(table: Any, mistake: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        Policy.parse(table)
    assert mistake in caught.value.message
    assert caught.value.hint


def test_all_mistakes_are_named_at_once() -> None:
    table = {"names": ["*", "a b", "{client}"], "keys": ["p1", "rsa1"], "max_days": 0, "max_valid": 0, "extra": 1}
    with pytest.raises(InvalidSettings) as caught:
        Policy.parse(table)
    for text in ("'*'", "'a b'", "'p1'", "'rsa1'", "'max_days'", "'max_valid'", "'extra'"):
        assert text in caught.value.message
    assert "{client}'" not in caught.value.message


CHARACTERS = st.text("ab./:*@-{}0123?#%\n", max_size=12)
TEXTS = st.one_of(
    CHARACTERS,
    st.tuples(st.sampled_from(["*.", "@", "spiffe://", "urn:", "{client}", "", "10.0.0.0/"]), CHARACTERS).map("".join),
    st.sampled_from(["*.acme.example", "2001:db8::/32", "urn:acme:*", "ops@acme.example", "@{client}.acme.example"]),
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["names", "keys", "max_days", "max_valid", "other"]), VALUES) | VALUES)
@settings(max_examples=500)
def test_any_table_is_a_policy_or_invalid_settings(table: Any) -> None:
    message = ""
    try:
        assert isinstance(Policy.parse(table), Policy)
    except InvalidSettings as error:
        message = error.message
    assert message.isprintable()
