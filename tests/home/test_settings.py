import tomllib
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mutua import Home
from mutua.ca.policy import DEFAULT_POLICIES
from mutua.errors import InvalidAddress, InvalidInput, InvalidSettings, MutuaError, UnreadableFile
from mutua.home.settings import (
    MAX_SETTINGS_BYTES,
    SETTINGS_FILE,
    Settings,
    TokenSettings,
    read_settings,
    settings_text,
)

SECRET = "correct-horse-battery"
EVERYTHING = """
name = "Acme Payments"
max_stale = 60
store = "postgresql+psycopg://mutua@db.acme.example/mutua"
pkcs11 = { module = "/usr/lib/softhsm/libsofthsm2.so", token = "mutua" }
revocation_url = "http://pki.acme.example/"
est_url = "https://pki.acme.example:8443/"
crl_days = 3
crl_shards = 256
renewal_grace_days = 14
revoke_superseded = true

[policy.client]
names = ["{client}", "*.partners.acme.example"]
max_days = 30
max_valid = 4

[policy.server]
names = ["api.acme.example"]
keys = ["p256"]
"""

printable_names = st.text(min_size=1, max_size=64).filter(str.isprintable)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("settings")


@given(name=printable_names | st.text("\"\\'#={}\u00e9 n", min_size=1, max_size=64))
def test_a_printable_name_comes_back_as_it_was(folder: Path, name: str) -> None:
    (folder / SETTINGS_FILE).write_text(settings_text(name), encoding="utf-8")
    assert read_settings(folder) == Settings(name=name, max_stale=300)


@given(data=st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode(errors="replace")))
def test_any_bytes_are_settings_or_a_clear_refusal(folder: Path, data: bytes) -> None:
    (folder / SETTINGS_FILE).write_bytes(data)
    with suppress(InvalidSettings):
        assert isinstance(read_settings(folder), Settings)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "'name' must be"),
        ("name = 5", "'name' must be"),
        ("name = ''", "'name' must be"),
        (f"name = '{'x' * 65}'", "'name' must be"),
        ("max_stale = 10", "'name' must be"),
        ("name = 'a'\nmax_stale = '300'", "'max_stale' must be"),
        ("name = 'a'\nmax_stale = true", "'max_stale' must be"),
        ("name = 'a'\nmax_stale = 1.5", "'max_stale' must be"),
        ("name = 'a'\nmax_stale = 0", "'max_stale' must be"),
        ("name = 'a'\nmax_stale = 86401", "'max_stale' must be"),
        ("name = 'a'\npassphrase = 'x'", "unknown setting 'passphrase'"),
        ("name = 'a'\n[section]\nkey = 1", "unknown setting 'section'"),
        ("name = ", "Invalid value"),
        ("name = 'a'\nname = 'b'", "Cannot overwrite"),
        ("not toml at all", "Expected '='"),
    ],
)
def test_settings_that_make_no_sense_are_named(folder: Path, text: str, told: str) -> None:
    (folder / SETTINGS_FILE).write_text(text)
    with pytest.raises(InvalidSettings) as refused:
        read_settings(folder)
    assert told in refused.value.message


def test_every_setting_is_read(folder: Path) -> None:
    (folder / SETTINGS_FILE).write_text(EVERYTHING)
    settings = read_settings(folder)
    assert (settings.name, settings.max_stale, settings.crl_life, settings.crl_shards) == (
        "Acme Payments",
        60,
        timedelta(days=3),
        256,
    )
    assert settings.store == "postgresql+psycopg://mutua@db.acme.example/mutua"
    assert settings.pkcs11 == TokenSettings(Path("/usr/lib/softhsm/libsofthsm2.so"), "mutua")
    assert settings.revocation_url == "http://pki.acme.example"
    assert settings.est_url == "https://pki.acme.example:8443"
    assert (settings.renewal_grace, settings.revoke_superseded) == (timedelta(days=14), True)
    client, server = settings.policies["client"], settings.policies["server"]
    assert (client.names, client.max_lifetime, client.max_valid) == (
        ("{client}", "*.partners.acme.example"),
        timedelta(days=30),
        4,
    )
    assert (server.names, [*server.keys]) == (("api.acme.example",), ["p256"])


def test_what_is_not_said_is_as_the_comments_say(folder: Path) -> None:
    text = settings_text("Acme")
    (folder / SETTINGS_FILE).write_text(text)
    assert read_settings(folder) == Settings(name="Acme")
    (folder / SETTINGS_FILE).write_text(uncommented(text))
    told = read_settings(folder)
    assert (told.crl_life, told.crl_shards, told.renewal_grace, told.revoke_superseded) == (
        Settings(name="Acme").crl_life,
        Settings(name="Acme").crl_shards,
        Settings(name="Acme").renewal_grace,
        Settings(name="Acme").revoke_superseded,
    )
    assert told.policies["server"] == DEFAULT_POLICIES["server"]


def uncommented(text: str) -> str:
    """The settings with those in force that stand there as examples."""
    lines = text.splitlines()
    examples = [line.removeprefix("# ") for line in lines if line.startswith("# ") and (" = " in line or "# [" in line)]
    return "\n".join([line for line in lines if not line.startswith("#")] + examples)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("store = 5", "'store' must be"),
        ("store = 'sqlite:///x'", "'store' must be"),
        ('store = "postgresql+psycopg://a\\nb"', "'store' must be"),
        ("pkcs11 = 'x'", "'[pkcs11]' must have"),
        ("pkcs11 = { module = '/x.so' }", "'[pkcs11]' must have"),
        ("pkcs11 = { module = '', token = 'mutua' }", "'[pkcs11]' must have"),
        ("pkcs11 = { module = '/x.so', token = 'mutua', pin = '1234' }", "'[pkcs11]' must have"),
        ("pkcs11 = { module = 5, token = 'mutua' }", "'[pkcs11]' must have"),
        ("revocation_url = 5", "'revocation_url' must be"),
        ("revocation_url = ''", "'revocation_url' must be"),
        ("revocation_url = 'https://pki.acme.example'", "'revocation_url' must be"),
        ("revocation_url = 'http://a b'", "'revocation_url' must be"),
        ("revocation_url = 'http://user:secret@pki.acme.example'", "'revocation_url' must be"),
        ("revocation_url = 'http://pki.acme.example?x=1'", "'revocation_url' must be"),
        ("revocation_url = 'http://pki.acme.example#x'", "'revocation_url' must be"),
        ("est_url = 5", "'est_url' must be"),
        ("est_url = 'http://pki.acme.example'", "'est_url' must be"),
        ("est_url = 'https://pki.acme.example/est'", "'est_url' must be"),
        ("est_url = 'https://user:secret@pki.acme.example'", "'est_url' must be"),
        ("crl_days = 0", "'crl_days' must be 1 to 365 days"),
        ("crl_days = 366", "'crl_days' must be 1 to 365 days"),
        ("crl_days = 1.5", "'crl_days' must be"),
        ("crl_shards = 0", "'crl_shards' must be 1 to 65536 parts"),
        ("crl_shards = 65537", "'crl_shards' must be"),
        ("crl_shards = 2", "'crl_shards' needs 'revocation_url'"),
        ("renewal_grace_days = 0", "'renewal_grace_days' must be 1 to 90 days"),
        ("renewal_grace_days = 91", "'renewal_grace_days' must be"),
        ("revoke_superseded = 1", "'revoke_superseded' must be true or false"),
        ("revoke_superseded = 'true'", "'revoke_superseded' must be"),
        ("policy = 5", "'[policy]' has a table for each of"),
        ("policy.client = 5", "'policy.client' must be a table"),
        ("[policy.ca]\nnames = []", "not for 'ca'"),
        ("[policy.client]\nnames = 5", "'[policy.client]'"),
        ("[policy.client]\nnmaes = []", "unknown setting 'nmaes'"),
        ("[policy.client]\nmax_days = 0", "max_days"),
        ("[policy.client]\nkeys = ['dsa']", "dsa"),
        ("x = " + "[" * 20_000, "recursion"),
        ("x = " + "9" * 5_000, "digits"),
        ('name = "two\\nlines"\n', "Cannot overwrite"),
    ],
)
def test_each_mistake_is_named(folder: Path, text: str, told: str) -> None:
    (folder / SETTINGS_FILE).write_text(f"name = 'a'\n{text}")
    with pytest.raises(InvalidSettings) as refused:
        read_settings(folder)
    assert told in refused.value.message
    assert len(refused.value.message.splitlines()) == 1
    assert refused.value.hint == f"edit '{folder / SETTINGS_FILE}'"


def test_a_name_that_no_certificate_can_carry_is_one(folder: Path) -> None:
    (folder / SETTINGS_FILE).write_text('name = "two\\nlines"')
    with pytest.raises(InvalidSettings, match="'name' must be a text of 1 to 64 printable characters"):
        read_settings(folder)


def test_all_mistakes_are_named_at_once(folder: Path) -> None:
    mistakes = "max_stale = 0\ncrl_days = 0\nnmae = 1\nshards = 2\n[policy.ca]\n[policy.client]\nmax_days = 0\nx = 1"
    (folder / SETTINGS_FILE).write_text(mistakes)
    with pytest.raises(InvalidSettings) as refused:
        read_settings(folder)
    for told in ("'nmae'", "'shards'", "'name' must", "'max_stale'", "'crl_days'", "not for 'ca'", "max_days", "'x'"):
        assert told in refused.value.message


@pytest.mark.parametrize(
    "text",
    [
        f"name = 'a'\nstore = 'postgresql+psycopg://mutua:{SECRET}@db.acme.example/mutua'\nmax_stale = 0",
        f"name = 'a'\nstore = 'mysql://mutua:{SECRET}@db.acme.example/mutua'",
        f"name = 'a'\nstore = 'postgresql+psycopg://mutua:{SECRET}@db.acme.example/mutua",
        f"name = 'a'\nmax_stale = '{SECRET}'",
        f"name = 'a'\npkcs11 = {{ module = '/x.so', token = 'mutua', pin = '{SECRET}' }}",
        f"name = 'a'\nrevocation_url = 'http://mutua:{SECRET}@pki.acme.example'",
    ],
)
def test_a_password_is_in_no_message(folder: Path, text: str) -> None:
    (folder / SETTINGS_FILE).write_text(text)
    with pytest.raises(InvalidSettings) as refused:
        read_settings(folder)
    assert SECRET not in f"{refused.value} {refused.value!r} {refused.value.hint}"


def test_nor_in_what_is_shown_of_settings(folder: Path) -> None:
    url = f"postgresql+psycopg://mutua:{SECRET}@db.acme.example/mutua?sslpassword={SECRET}"
    (folder / SETTINGS_FILE).write_text(settings_text("Acme", store=url))
    settings = read_settings(folder)
    assert settings.store == url
    assert SECRET not in f"{settings} {settings!r}"


@pytest.mark.parametrize("url", ["postgresql+psycopg://u@h/d", "postgresql://u@h/d", 'postgresql://u@h/d?options="\\'])
def test_a_database_and_a_token_come_back_as_they_were(folder: Path, url: str) -> None:
    token = TokenSettings(Path('/odd "path"/\\module.so'), 'a "token"\\')
    text = settings_text("Acme", store=url, token=token)
    # What is added behind them is a setting of its own.
    (folder / SETTINGS_FILE).write_text(f"{text}\ncrl_days = 3\n")
    settings = read_settings(folder)
    assert (settings.store, settings.pkcs11, settings.crl_life) == (url, token, timedelta(days=3))
    assert tomllib.loads(text).keys() == {"name", "max_stale", "store", "pkcs11"}


@pytest.mark.parametrize("url", ["", "store.db", "sqlite:///x", f"mysql://u:{SECRET}@h/d", f"postgresql://\n{SECRET}"])
def test_what_is_no_database_makes_no_home(tmp_path: Path, url: str) -> None:
    with pytest.raises(InvalidAddress) as refused:
        Home.create(tmp_path / "home", store=url)
    assert SECRET not in f"{refused.value}{refused.value.hint}"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("module", "label"), [("/x.so", ""), ("/x.so", "two\nlines"), ("/x\n.so", "mutua"), ("/x", "\0")]
)
def test_what_is_no_token_makes_no_home(tmp_path: Path, module: str, label: str) -> None:
    with pytest.raises(InvalidInput):
        Home.create(tmp_path / "home", token=TokenSettings(Path(module), label))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("seconds", [1, 86_400])
def test_the_ends_of_the_range_are_within_it(folder: Path, seconds: int) -> None:
    (folder / SETTINGS_FILE).write_text(f"name = 'a'\nmax_stale = {seconds}")
    assert read_settings(folder).max_stale == seconds


def test_a_file_of_any_size_is_not_read_into_memory(folder: Path) -> None:
    (folder / SETTINGS_FILE).write_text("#" * (MAX_SETTINGS_BYTES + 1))
    with pytest.raises(UnreadableFile, match="larger"):
        read_settings(folder)


def test_a_home_with_bad_settings_is_not_opened(home: Home) -> None:
    (home.path / SETTINGS_FILE).write_text("nmae = 'Acme'")
    with pytest.raises(MutuaError, match="nmae"):
        Home.open(home.path)
