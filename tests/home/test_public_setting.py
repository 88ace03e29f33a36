"""``public`` in mutua.toml: the pattern language of grants, every mistake told at once, and never everything."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mutua import Home
from mutua.errors import InvalidSettings
from mutua.home.public import MAX_PUBLIC, read_public
from mutua.home.settings import read_settings, settings_text
from mutua.registry.grants import Grant


def test_a_new_home_has_nothing_public_and_says_how(home: Home) -> None:
    assert home.settings.public == ()
    text = settings_text("Acme Payments")
    assert '# public = ["GET /healthz"]' in text
    with_it = tomllib.loads(text.replace("# public", "public"))
    assert read_public("public", with_it["public"]) == (Grant(("GET",), "/healthz"),)


def test_it_is_read_with_the_other_settings(home: Home) -> None:
    file = home.path / "mutua.toml"
    file.write_text('public = ["GET /healthz", "GET,POST /open/*"]\n' + file.read_text())
    assert read_settings(home.path).public == (Grant(("GET",), "/healthz"), Grant(("GET", "POST"), "/open/*"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('public = "GET /healthz"', "must be a list of at most 64 texts"),
        ("public = true", "must be a list of at most 64 texts"),
        ("public = [1]", "must hold texts"),
        ('public = ["/healthz"]', "'public': '/HEALTHZ' is not an HTTP method"),
        ('public = ["GET"]', "'public': the path '' does not start with a slash"),
        ('public = ["GET healthz"]', "does not start with a slash"),
        ('public = ["GET /a/../b"]', "dot segments never match"),
        ('public = ["GET /a%2f"]', "a character a path cannot match"),
        ('public = ["GET /**"]', "'public' is for some paths, and '/**' is every path"),
        ('public = ["* /**"]', "'public' is for some paths, and '/**' is every path"),
        ('public = ["GET /x?a=b", "G /ok", "GET y"]', "; "),
    ],
    ids=lambda value: value if value.startswith("public") else "",
)
def test_what_makes_no_sense_is_refused_by_name(text: str, said: str, home: Home) -> None:
    file = home.path / "mutua.toml"
    file.write_text(f"{text}\n{file.read_text()}")
    with pytest.raises(InvalidSettings) as refused:
        read_settings(home.path)
    assert said in refused.value.message


def test_there_are_bounds() -> None:
    assert len(read_public("public", [f"GET /{number}" for number in range(MAX_PUBLIC)])) == MAX_PUBLIC
    with pytest.raises(ValueError, match="at most 64"):
        read_public("public", [f"GET /{number}" for number in range(MAX_PUBLIC + 1)])


@given(value=st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_whatever_is_there_is_grants_or_a_clear_refusal(value: object) -> None:
    try:
        read = read_public("public", value)
    except ValueError as error:
        assert "\n" not in str(error)  # noqa: PT017 -- either is right
    else:
        assert all(each.pattern != "/**" for each in read)
