from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mutua import Home
from mutua.errors import InvalidSettings, MutuaError, UnreadableFile
from mutua.home.settings import MAX_SETTINGS_BYTES, SETTINGS_FILE, Settings, read_settings, settings_text

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
