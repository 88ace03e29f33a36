"""Method and URI are read out of a question as its proxy puts them there, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mutua.errors import MalformedForward
from mutua.gate.decision import Request
from mutua.inbound.forward_auth.asking import ASKERS, ENDPOINT, MAX_URI_BYTES, Asker

WITH_HEADERS = [asker for asker in ASKERS.values() if asker.method is not None]
OTHERS = [(b"x-original-method", b"x-original-uri"), (b"x-forwarded-method", b"x-forwarded-uri")]

Headers = list[tuple[bytes, bytes]]


def names(asker: Asker) -> tuple[bytes, bytes]:
    assert asker.method is not None
    assert asker.uri is not None
    return asker.method.encode(), asker.uri.encode()


def question(asker: Asker, method: bytes, uri: bytes) -> Headers:
    method_name, uri_name = names(asker)
    return [(b"host", b"mutua"), (method_name, method), (uri_name, uri)]


def refused(asker: Asker, headers: Headers, path: bytes = ENDPOINT) -> str:
    with pytest.raises(MalformedForward) as caught:
        asker.read("GET", path, headers)
    assert "forward-auth.md" in caught.value.hint
    return caught.value.message


@pytest.mark.parametrize("asker", WITH_HEADERS, ids=lambda asker: asker.name)
def test_the_method_and_the_path_without_the_query(asker: Asker) -> None:
    for uri, path in ((b"/a", "/a"), (b"/a%20b?c=/d", "/a b"), (b"/?/x", "/"), (b"/a;b=1,c??#", "/a;b=1,c")):
        assert asker.read("GET", ENDPOINT, question(asker, b"PATCH", uri)) == Request(
            "PATCH", path, uri.partition(b"?")[0]
        )


@pytest.mark.parametrize("asker", WITH_HEADERS, ids=lambda asker: asker.name)
def test_a_question_that_is_not_whole_and_single_is_refused(asker: Asker) -> None:
    method, uri = whole = question(asker, b"GET", b"/a")[1:]
    for missing in ([method], [uri], []):
        assert "is missing" in refused(asker, missing)
    for twice in ([*whole, method], [*whole, uri], [*whole, (uri[0], b"/b")]):
        assert "is there 2 times" in refused(asker, twice)
    for name, value in whole:
        other = name.replace(b"-", b"_", 1)
        assert "is there 2 times" in refused(asker, [*whole, (other, value)])
        assert "another spelling" in refused(asker, [each for each in whole if each[0] != name] + [(other, value)])
    assert "more than" in refused(asker, question(asker, b"GET", b"/" + b"a" * MAX_URI_BYTES))
    assert "more than" in refused(asker, question(asker, b"A" * (MAX_URI_BYTES + 1), b"/a"))


@pytest.mark.parametrize("asker", WITH_HEADERS, ids=lambda asker: asker.name)
def test_what_is_no_method_and_no_path_is_refused(asker: Asker) -> None:
    for method in (
        b"",
        b"get",
        b"Get",
        b"GET ",
        b" GET",
        b"GET,POST",
        b"GET, GET",
        b"G\xc3\x89T",
        b"GET\0",
        b"-",
        b"A" * 99,
    ):
        assert "not a method" in refused(asker, question(asker, method, b"/a"))
    for uri in (
        b"",
        b"a",
        b"*",
        b"?a",
        b"http://api.acme.example/a",
        b"/a b",
        b"/a, /b",
        b"/a#b",
        b"/a\t",
        b"/a\x00",
        b"/\xc3\xa9",
    ):
        assert "path" in refused(asker, question(asker, b"GET", uri))


@pytest.mark.parametrize("asker", WITH_HEADERS, ids=lambda asker: asker.name)
def test_a_question_of_another_proxy_is_never_guessed(asker: Asker) -> None:
    for method, uri in OTHERS:
        if (method, uri) != names(asker):
            assert "is missing" in refused(asker, [(method, b"GET"), (uri, b"/a")])
    whole = question(asker, b"GET", b"/a")
    for path in (b"/", b"/a", ENDPOINT + b"/", ENDPOINT + b"/a", b"/decision%2f"):
        assert "asks at" in refused(asker, whole, path)


def test_envoy_asks_with_the_method_at_the_path() -> None:
    envoy = ASKERS["envoy"]
    forged = [(name, value) for pair in OTHERS for name, value in zip(pair, (b"GET", b"/open"), strict=True)]
    for headers in ([], forged):
        assert envoy.read("POST", b"/decision/a%20b", headers) == Request("POST", "/a b", b"/a%20b")
        assert envoy.read("GET", b"/decision/", headers) == Request("GET", "/", b"/")
    assert envoy.read("GET", b"/decision//a", []).raw_path == b"//a"  # for the gate to refuse
    assert envoy.read("GET", b"/decision/../a", []).raw_path == b"/../a"
    for path in (b"/", b"/a", ENDPOINT, b"/decision*", b"/decisions/a", b"//decision/a", b"/%64ecision/a"):
        assert "does not begin with" in refused(envoy, [], path)
    assert "more than" in refused(envoy, [], b"/decision/" + b"a" * MAX_URI_BYTES)
    with pytest.raises(MalformedForward):
        envoy.read("get", b"/decision/a", [])


@given(
    asker=st.sampled_from(list(ASKERS.values())),
    method=st.binary(max_size=20) | st.sampled_from([b"GET", b"POST"]),
    uri=st.binary(max_size=80) | st.binary(max_size=80).map(lambda rest: b"/" + rest),
    more=st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=20)), max_size=3),
)
def test_whatever_is_read_is_a_method_and_a_path(asker: Asker, method: bytes, uri: bytes, more: Headers) -> None:
    try:
        if asker.method is None:
            read = asker.read(method.decode("latin-1"), ENDPOINT + uri, more)
        else:
            read = asker.read("GET", ENDPOINT, [*question(asker, method, uri), *more])
    except MalformedForward:
        return
    assert read.method.replace("-", "").isupper()
    assert read.raw_path is not None
    assert read.raw_path.startswith(b"/")
    assert not set(read.raw_path) & set(b"#? \r\n\0")
    assert read.path.startswith("/")
