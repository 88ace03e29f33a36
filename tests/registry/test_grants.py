"""Grants: read and written, and what they match."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mutua.errors import InvalidGrant
from mutua.registry.grants import Grant, compile_grants


def allows(grants: list[str], method: str, path: str) -> bool:
    pattern = compile_grants(tuple(Grant.parse(grant) for grant in grants), method)
    return pattern is not None and pattern.fullmatch(path) is not None


@pytest.mark.parametrize(
    ("grant", "method", "path", "allowed"),
    [
        ("GET /a", "GET", "/a", True),
        ("GET /a", "GET", "/a/", False),
        ("GET /a/", "GET", "/a/", True),
        ("GET /a/", "GET", "/a", False),
        ("GET /a", "GET", "/A", False),
        ("GET /a", "GET", "/ab", False),
        ("GET /a", "GET", "/x/a", False),
        ("GET /a", "POST", "/a", False),
        ("GET /a", "HEAD", "/a", True),
        ("HEAD /a", "HEAD", "/a", False),
        ("POST /a", "HEAD", "/a", False),
        ("GET,POST /a", "POST", "/a", True),
        ("* /a", "DELETE", "/a", True),
        ("* /a", "HEAD", "/a", True),
        ("GET /*", "GET", "/", False),
        ("GET /*", "GET", "/a", True),
        ("GET /*", "GET", "/a/b", False),
        ("GET /*", "GET", "/a/", False),
        ("GET /*/b", "GET", "/a/b", True),
        ("GET /*/b", "GET", "//b", False),
        ("GET /a/*/c", "GET", "/a/b/c", True),
        ("GET /a/*/c", "GET", "/a/b/b/c", False),
        ("GET /a/*/", "GET", "/a/b/", True),
        ("GET /**", "GET", "/", True),
        ("GET /**", "GET", "/a/b/c/", True),
        ("GET /a/**", "GET", "/a/", True),
        ("GET /a/**", "GET", "/a", False),
        ("GET /a/**", "GET", "/ab/c", False),
        ("GET /a/**", "GET", "/a/\n", True),
        ("GET /a.c", "GET", "/abc", False),
        ("GET /a+", "GET", "/aa", False),
        ("GET /(a|b)", "GET", "/a", False),
        ("GET /[ab]", "GET", "/a", False),
        ("GET /a$", "GET", "/a", False),
        ("GET /olá", "GET", "/olá", True),
    ],
)
def test_a_grant_matches_exactly_what_it_says(grant: str, method: str, path: str, allowed: bool) -> None:
    assert allows([grant], method, path) is allowed


def test_several_grants_allow_what_any_of_them_allows() -> None:
    grants = ["GET /a", "POST /b/*", "GET /c/**"]
    assert allows(grants, "GET", "/a")
    assert allows(grants, "POST", "/b/1")
    assert not allows(grants, "GET", "/b/1")
    assert not allows(grants, "POST", "/a")
    assert not allows([], "GET", "/a")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "GET",
        "/a",
        "GET a",
        " /a",
        ", /a",
        "GET, /a",
        "G3T /a",
        "GÉT /a",
        f"{'A' * 33} /a",
        "GET /a//b",
        "GET //",
        "GET /./a",
        "GET /a/..",
        "GET /a/**/b",
        "GET /**/",
        "GET /a*",
        "GET /a/*b",
        "GET /***",
        "GET /a?b=c",
        "GET /a#b",
        "GET /a%20b",
        "GET /a\\b",
        "GET /a b",
        "GET /a\x00",
        "GET /a\x7f",
    ],
)
def test_what_could_never_match_or_mislead_is_no_grant(text: str) -> None:
    with pytest.raises(InvalidGrant):
        Grant.parse(text)


def test_methods_are_folded_sorted_and_a_star_takes_all() -> None:
    assert str(Grant.parse("  post,get,GET   /a ")) == "GET,POST /a"
    assert str(Grant.parse("get,* /a")) == "* /a"


LITERAL = st.text(
    st.characters(exclude_characters="/?#%\\* \x7f", exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")),
    min_size=1,
    max_size=6,
).filter(lambda segment: segment not in {".", ".."})
PATTERN = st.tuples(
    st.lists(st.one_of(LITERAL, st.just("*")), max_size=4), st.sampled_from([[], [""], ["**"], ["*"]])
).map(lambda parts: "/" + "/".join([*parts[0], *parts[1]]))
METHODS = st.lists(st.sampled_from(["GET", "POST", "PUT", "DELETE", "M-SEARCH"]), min_size=1, unique=True)


@given(methods=METHODS, pattern=PATTERN)
def test_a_grant_is_read_back_as_it_is_written(methods: list[str], pattern: str) -> None:
    grant = Grant(tuple(sorted(methods)), pattern)
    assert Grant.parse(str(grant)) == grant


@given(text=st.text(max_size=60))
def test_any_text_is_a_grant_or_an_invalid_grant(text: str) -> None:
    try:
        grant = Grant.parse(text)
    except InvalidGrant:
        return
    assert Grant.parse(str(grant)) == grant


def matches(pattern: list[str], path: list[str]) -> bool:
    """The meaning of a pattern, segment by segment, as one would explain it."""
    if not pattern:
        return not path
    if pattern == ["**"]:
        return bool(path)
    if not path:
        return False
    fits = path[0] != "" if pattern[0] == "*" else path[0] == pattern[0]
    return fits and matches(pattern[1:], path[1:])


FEW = st.sampled_from(["a", "b", "A", "a.b", ""])


@given(
    head=st.lists(st.sampled_from(["a", "b", "*", "a.b"]), max_size=3),
    tail=st.sampled_from([[], ["**"], [""], ["*"]]),
    path=st.lists(FEW, min_size=1, max_size=5),
)
def test_matching_agrees_with_the_plain_meaning(head: list[str], tail: list[str], path: list[str]) -> None:
    segments = [*head, *tail] or [""]
    assert allows([f"GET /{'/'.join(segments)}"], "GET", f"/{'/'.join(path)}") is matches(segments, path)
