"""``mutua-agent.toml``: what it may say."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mutua.agent.settings import read_agent_settings, settings_of
from mutua.errors import InvalidSettings, UnreadableFile
from mutua.inbound.seen.http import Address

WHOLE = """\
state = "/var/lib/mutua-agent"
metrics = "127.0.0.1:9102"
metrics_file = "mutua.prom"
trust_hours = 0.5

[warn]
webhook = "https://alerts.acme.example/mutua?key=hunter2"
command = ["logger", "-t", "mutua"]

[[identity]]
path = "woovi"
hooks = [["systemctl", "reload", "nginx"], ["true"]]
hook_seconds = 5
same_key = true

[[identity]]
path = "/etc/bank/bank.p12"
name = "bank"
password_file = "bank.password"

[[identity]]
path = "home/identities/api"
home = "home"
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "mutua-agent.toml"
    file.write_text(text)
    return file


def test_everything_it_may_say_is_read(tmp_path: Path) -> None:
    found = read_agent_settings(written(tmp_path, WHOLE))
    assert (found.state, found.metrics_file) == (Path("/var/lib/mutua-agent"), tmp_path / "mutua.prom")
    assert (found.metrics, found.trust_every) == (Address("127.0.0.1", 9102), timedelta(minutes=30))
    assert found.warn_command == ("logger", "-t", "mutua")
    woovi, bank, api = found.identities
    assert (woovi.path, woovi.name, woovi.same_key, woovi.hook_seconds) == (tmp_path / "woovi", "woovi", True, 5)
    assert woovi.hooks == (("systemctl", "reload", "nginx"), ("true",))
    assert (bank.name, bank.password_file) == ("bank", tmp_path / "bank.password")
    assert api.home == tmp_path / "home"


def test_the_secret_of_a_webhook_is_not_shown(tmp_path: Path) -> None:
    assert "hunter2" not in repr(read_agent_settings(written(tmp_path, WHOLE)))


def test_little_has_to_be_said(tmp_path: Path) -> None:
    found = read_agent_settings(written(tmp_path, '[[identity]]\npath = "woovi"\n'))
    assert (found.state, found.metrics, found.webhook) == (tmp_path / ".mutua-agent", None, None)
    assert settings_of(("a/woovi",)).identities[0].name == "woovi"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "identity = 1",
        "identity = [1]",
        "[[identity]]",
        "[[identity]]\npath = 1",
        '[[identity]]\npath = ""',
        '[[identity]]\npath = "a\\u0000b"',
        '[[identity]]\npath = "a"\nhooks = "systemctl reload nginx"',
        '[[identity]]\npath = "a"\nhooks = ["systemctl reload nginx"]',
        '[[identity]]\npath = "a"\nhooks = [[""]]',
        '[[identity]]\npath = "a"\nhook_seconds = 0',
        '[[identity]]\npath = "a"\nhook_seconds = true',
        '[[identity]]\npath = "a"\nsame_key = "no"',
        '[[identity]]\npath = "a"\nname = "a\\nb"',
        '[[identity]]\npath = "a"\nhook = [["true"]]',
        '[[identity]]\npath = "a"\n[[identity]]\npath = "a"',
        '[[identity]]\npath = "x/a"\n[[identity]]\npath = "y/a"',
        'metrics = "no address"\n[[identity]]\npath = "a"',
        'trust_hours = 1e9\n[[identity]]\npath = "a"',
        'warn = 1\n[[identity]]\npath = "a"',
        '[warn]\nwebhook = "ftp://x"\n[[identity]]\npath = "a"',
        '[warn]\nwebhook = "https://"\n[[identity]]\npath = "a"',
        '[warn]\nwebhook = 1\n[[identity]]\npath = "a"',
        '[warn]\ncommand = "logger"\n[[identity]]\npath = "a"',
        '[warn]\nmail = "x"\n[[identity]]\npath = "a"',
        "[",
    ],
    ids=range(26),
)
def test_what_makes_no_sense_is_refused_with_a_place_to_look(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        read_agent_settings(written(tmp_path, text))
    assert "docs/agent.md" in caught.value.hint
    assert "\n" not in caught.value.message


@given(st.binary(max_size=200))
def test_of_any_bytes_there_are_settings_or_our_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.mktemp("settings") / "mutua-agent.toml"
    file.write_bytes(data)
    with pytest.raises(InvalidSettings):
        read_agent_settings(file)


def test_a_file_that_is_not_there_is_our_error(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile):
        read_agent_settings(tmp_path / "absent")
