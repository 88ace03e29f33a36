"""Paths that two readers could read differently are malformed; all others pass as they are."""

from urllib.parse import quote, unquote_to_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mutua.gate.paths import problem_with

CONFUSING = [
    "",
    "a",
    "a/b",
    "*",
    "http://host/a",
    "//",
    "//a",
    "/a//b",
    "/a//",
    "/.",
    "/..",
    "/./a",
    "/../a",
    "/a/.",
    "/a/..",
    "/a/./b",
    "/a/../b",
    "/a/%2e",
    "/a/%2E/b",
    "/a/%2e%2e/b",
    "/a/.%2e/b",
    "/a/%2e./b",
    "/%2e%2e",
    "/a/..;/b",
    "/a/.;x=1/b",
    "/a/%2e%2e;x/b",
    "/a/..%3B/b",
    "/a/..;",
    "/a%2fb",
    "/a%2Fb",
    "/a/..%2fadmin",
    "/webhook/..%2fadmin/%252e",
    "/a%5cb",
    "/a%5Cb",
    "/a\\b",
    "/\\a",
    "/a/..\\b",
    "/a%00",
    "/a%00.png",
    "/%00",
    "/a%252fb",
    "/a%252e%252e/b",
    "/a%25",
    "/a%2500",
    "/100%",
    "/a%",
    "/a%2",
    "/a%zz",
    "/a%u002f",
    "/a%0a",
    "/a%0d%0aX",
    "/a%09",
    "/a%1f",
    "/a%7f",
    "/a\x00",
    "/a\nb",
    "/a\x7f",
    "/a%2f%2fb",
    "/%2f",
    "/a%ff",
    "/a%c0%ae%c0%ae/b",
    "/a%c0%afb",
    "/a%e0%80%af",
    "/a%ed%a0%80",
]

PLAIN = [
    "/",
    "/a",
    "/a/",
    "/a/b.c",
    "/a.b/..c",
    "/a/...",
    "/-._~!$&'()*+,;=:@",
    "/a%20b",
    "/ol%C3%A1",
    "/a%3Fb",
    "/a/*",
]


def as_uvicorn_decodes(raw: bytes) -> str:
    return unquote_to_bytes(raw).decode("utf-8", errors="replace")


@pytest.mark.parametrize("raw", CONFUSING)
def test_a_confusing_spelling_is_malformed(raw: str) -> None:
    assert problem_with(as_uvicorn_decodes(raw.encode()), raw.encode())


@pytest.mark.parametrize("raw", PLAIN)
def test_a_plain_path_passes(raw: str) -> None:
    assert problem_with(as_uvicorn_decodes(raw.encode()), raw.encode()) is None


def test_a_path_whose_raw_form_is_unknown_is_malformed() -> None:
    assert problem_with("/a", None)


@pytest.mark.parametrize(("path", "raw"), [("/b", b"/a"), ("/a", b"/a/"), ("/A", b"/a"), ("/a b", b"/a+b")])
def test_a_path_that_is_not_the_one_sent_is_malformed(path: str, raw: bytes) -> None:
    assert problem_with(path, raw)


PIECES = st.sampled_from(
    ["/", "/", "a", "b.c", ".", "..", "%2e", "%2F", "%5c", "\\", "%", "%25", "%00", "%20", "%c3%a9", "%ff", "\x00", "é"]
)
RAW = st.one_of(st.binary(max_size=40), st.lists(PIECES, max_size=10).map(lambda pieces: "".join(pieces).encode()))


@given(raw=RAW)
@example(raw=b"/a/%2e%2e/b")
@example(raw=b"/a\n")
def test_whatever_is_admitted_means_one_thing_only(raw: bytes) -> None:
    path = as_uvicorn_decodes(raw)
    if problem_with(path, raw) is not None:
        return
    assert unquote_to_bytes(raw) == path.encode()
    assert unquote_to_bytes(unquote_to_bytes(raw)) == path.encode(), "a second decoding would change it"
    segments = path.split("/")
    assert segments[0] == ""
    assert all(segments[1:-1])
    assert not {".", ".."} & set(segments)
    assert not any(character in "\\%\x7f" or character < " " for character in path)


@given(raw=RAW, path=st.text(max_size=20))
def test_a_path_the_server_made_up_is_never_admitted(raw: bytes, path: str) -> None:
    if problem_with(path, raw) is None:
        assert unquote_to_bytes(raw) == path.encode()


SEGMENT = st.text(st.characters(exclude_characters="/\\%", exclude_categories=("Cs", "Cc")), min_size=1, max_size=8)


@given(segments=st.lists(SEGMENT.filter(lambda segment: segment not in {".", ".."}), min_size=1, max_size=5))
def test_a_path_of_ordinary_segments_is_admitted(segments: list[str]) -> None:
    path = "/" + "/".join(segments)
    assert problem_with(path, quote(path).encode()) is None
