"""``[forwarded]`` in mutua.toml: one dialect, one statement of who may forward, and every mistake told at once."""

import tomllib
from contextlib import suppress
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mutua import Home
from mutua.errors import InvalidSettings
from mutua.home.forwarded import OPTIONS, ForwardedSettings, read_forwarded
from mutua.home.settings import SETTINGS_FILE, read_settings
from mutua.inbound.forwarded.dialects import DIALECTS


def read(text: str) -> ForwardedSettings:
    return read_forwarded("forwarded", tomllib.loads(text))


def test_nobody_may_forward_unless_told(home: Home) -> None:
    assert home.settings.forwarded is None


def test_a_home_knows_who_may_forward(home: Home) -> None:
    with (home.path / SETTINGS_FILE).open("a") as file:
        file.write('\n[forwarded]\ndialect = "nginx"\nunix_socket = true\n')
    assert read_settings(home.path).forwarded == ForwardedSettings(dialect="nginx", unix_socket=True)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('dialect = "rfc9440"\nunix_socket = true', ForwardedSettings(dialect="rfc9440", unix_socket=True)),
        ('dialect = "traefik"\ncertificate = "edge"', ForwardedSettings(dialect="traefik", certificate="edge")),
        (
            'dialect = "alb"\naddresses = ["10.0.0.5", "10.1.0.0/16", "2001:db8::1"]\noptions = { mode = "verify" }',
            ForwardedSettings(
                dialect="alb",
                options={"mode": "verify"},
                addresses=(ip_network("10.0.0.5"), ip_network("10.1.0.0/16"), ip_network("2001:db8::1")),
            ),
        ),
    ],
)
def test_each_statement_is_read(text: str, wanted: ForwardedSettings) -> None:
    assert read(text) == wanted


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "must say who may forward by exactly one of unix_socket, certificate, addresses"),
        ('dialect = "nginx"', "exactly one"),
        ('dialect = "nginx"\nunix_socket = true\naddresses = ["10.0.0.5"]', "exactly one"),
        ('dialect = "nginx"\nunix_socket = false', "'forwarded.unix_socket' must be true"),
        ('dialect = "nginx"\nunix_socket = 1', "'forwarded.unix_socket' must be true"),
        ('dialect = "squid"\nunix_socket = true', "'forwarded.dialect' must be one of rfc9440, xfcc, nginx"),
        ('dialect = ["nginx"]\nunix_socket = true', "'forwarded.dialect' must be one of"),
        ('dialect = "nginx"\ncertificate = "Edge 1"', "the name of a client"),
        ('dialect = "nginx"\naddresses = []', "a list of 1 to 64"),
        ('dialect = "nginx"\naddresses = "10.0.0.5"', "a list of 1 to 64"),
        ('dialect = "nginx"\naddresses = ["proxy.acme.example"]', "IP addresses such as 10.0.0.5"),
        ('dialect = "nginx"\naddresses = ["0.0.0.0/0"]', "a network of your own"),
        ('dialect = "nginx"\naddresses = ["::/0"]', "a network of your own"),
        ('dialect = "nginx"\naddresses = ["10.0.0.5/24"]', "a network of your own"),
        ('dialect = "nginx"\naddresses = [167772165]', "IP addresses such as 10.0.0.5"),
        ('dialect = "nginx"\nunix_socket = true\nheader = "x"', "unknown setting 'forwarded.header'"),
        ('dialect = "nginx"\nunix_socket = true\noptions = { mode = "verify" }', "nginx has no option 'mode'"),
        ('dialect = "xfcc"\nunix_socket = true\noptions = { append = 1 }', "'forwarded.options.append' must be true"),
        ('dialect = "apache"\nunix_socket = true\noptions = { depth = true }', "must be a whole number"),
        ('dialect = "nginx"\nunix_socket = true\noptions = "verify"', "'[forwarded.options]' must be a table"),
    ],
)
def test_what_makes_no_sense_is_told(text: str, told: str) -> None:
    with pytest.raises(ValueError, match="forwarded") as caught:
        read(text)
    assert told in str(caught.value)


def test_every_mistake_is_told_at_once(home: Home) -> None:
    with (home.path / SETTINGS_FILE).open("a") as file:
        file.write('\n[forwarded]\ndialect = "squid"\naddresses = ["x"]\nheader = 1\n')
    with pytest.raises(InvalidSettings) as caught:
        read_settings(home.path)
    for mistake in ("forwarded.dialect", "forwarded.addresses", "forwarded.header"):
        assert mistake in caught.value.message


def test_every_dialect_has_its_options_here() -> None:
    assert OPTIONS.keys() == DIALECTS.keys()
    for name, maker in DIALECTS.items():
        made: Any = maker()
        kinds = {
            each: str if isinstance(getattr(made, each), str) else type(getattr(made, each)) for each in OPTIONS[name]
        }
        assert kinds == dict(OPTIONS[name])
        own = set(getattr(maker, "__dataclass_fields__", ())) - {"name", "headers"}
        assert own == set(OPTIONS[name])


@given(
    value=st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3))
)
@pytest.mark.parametrize("key", ["dialect", "options", "unix_socket", "certificate", "addresses"])
def test_any_value_is_read_or_told_of(key: str, value: object) -> None:
    table = {"dialect": "nginx", "unix_socket": True, key: value}
    with suppress(ValueError):
        assert isinstance(read_forwarded("forwarded", table), ForwardedSettings)
