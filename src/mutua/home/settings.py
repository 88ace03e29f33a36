"""Settings: ``mutua.toml``, few and checked."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from mutua.errors import InvalidName, InvalidSettings
from mutua.tls.files import read_file

SETTINGS_FILE = "mutua.toml"
MAX_SETTINGS_BYTES = 64 * 1024

MAX_ORGANIZATION = 64
"""ub-organization-name of RFC 5280 appendix A.1."""

_TEMPLATE = """\
# Settings of this mutua home. Keys and passphrases never belong here.

# Whose authority this is: the organization in its CA certificates.
name = {name}

# How long, in seconds, a running server goes on with what it knows when it loses the store.
# After that it refuses every request with the reason stale_registry.
max_stale = 300
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What ``mutua.toml`` says.

    Attributes:
        name: the organization, 1 to 64 characters.
        max_stale: seconds a gate goes on without its store, 1 to 86,400.
    """

    name: str
    max_stale: int = 300


def read_settings(folder: Path) -> Settings:
    """Read and check a home's settings.

    Raises:
        InvalidSettings: not TOML, an unknown key, or a value out of range; the message names it.
    """
    path = folder / SETTINGS_FILE
    try:
        values = tomllib.loads(read_file(path, MAX_SETTINGS_BYTES).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _invalid(path, str(error)) from None
    unknown = sorted(values.keys() - {"name", "max_stale"})
    if unknown:
        raise _invalid(path, f"unknown setting {unknown[0]!r}")
    name, max_stale = values.get("name"), values.get("max_stale", 300)
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_ORGANIZATION:
        raise _invalid(path, "'name' must be a text of 1 to 64 characters")
    if not isinstance(max_stale, int) or isinstance(max_stale, bool) or not 1 <= max_stale <= 86_400:
        raise _invalid(path, "'max_stale' must be 1 to 86400 seconds")
    return Settings(name=name, max_stale=max_stale)


def settings_text(name: str) -> str:
    """A new home's ``mutua.toml``.

    Raises:
        InvalidName: the organization is empty, too long, or not printable.
    """
    if not 1 <= len(name) <= MAX_ORGANIZATION or not name.isprintable():
        raise InvalidName("an organization's name has 1 to 64 printable characters", hint='such as "Acme Payments"')
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return _TEMPLATE.format(name=f'"{escaped}"')


def _invalid(path: Path, why: str) -> InvalidSettings:
    return InvalidSettings(f"'{path}' cannot be understood: {why}", hint=f"edit '{path}'")
