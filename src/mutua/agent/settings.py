"""``mutua-agent.toml``: which identities are watched, and whom that concerns."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mutua.agent.hooks import HOOK_SECONDS
from mutua.errors import InvalidAddress, InvalidSettings
from mutua.inbound.seen.http import Address, parse_address
from mutua.tls.files import read_file

CONFIG_FILE = "mutua-agent.toml"
STATE_FOLDER = ".mutua-agent"

MAX_CONFIG_BYTES = 1024 * 1024
"""Ten thousand identities with a line each for path, hook and name."""

MAX_HOOK_SECONDS = 3600
MAX_TRUST_HOURS = 24 * 30

_HINT = "see docs/agent.md#the-settings"


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedIdentity:
    """One identity that is watched.

    Attributes:
        path: of the folder or file.
        name: how logs and metrics call it.
        key: the path of its key, where that is apart.
        password_file: opens it.
        home: the home that it is an identity of, and that renews it; ``None`` for any other.
        same_key: whether it keeps its key when it is renewed.
        hooks: what is run after a change, each a list of words.
        hook_seconds: how long each may take.
    """

    path: Path
    name: str
    key: Path | None = None
    password_file: Path | None = None
    home: Path | None = None
    same_key: bool = False
    hooks: tuple[tuple[str, ...], ...] = ()
    hook_seconds: float = HOOK_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSettings:
    """What the agent does.

    Attributes:
        identities: that are watched.
        state: the folder where it remembers what it has tried and told.
        metrics: where they are served, or ``None``.
        metrics_file: where they are written, for node_exporter's textfile collector, or ``None``.
        trust_every: how often CA certificates are asked for anew.
        webhook: where warnings are posted to, or ``None``.
        warn_command: what is run with a warning, or empty.
    """

    identities: tuple[WatchedIdentity, ...]
    state: Path
    metrics: Address | None = None
    metrics_file: Path | None = None
    trust_every: timedelta = timedelta(hours=24)
    webhook: str | None = field(default=None, repr=False)  # some hold a secret
    warn_command: tuple[str, ...] = ()


def settings_of(paths: tuple[str, ...]) -> AgentSettings:
    """Watch these, with nothing else said."""
    found = tuple(WatchedIdentity(path=Path(each).absolute(), name=Path(each).name) for each in paths)
    return AgentSettings(identities=found, state=Path(STATE_FOLDER).absolute())


def read_agent_settings(file: Path) -> AgentSettings:
    """Read a file of settings; paths in it are taken from its folder.

    Raises:
        UnreadableFile: it cannot be read. InvalidSettings: it cannot be understood.
    """
    try:
        told = tomllib.loads(read_file(file, MAX_CONFIG_BYTES).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidSettings(f"'{file}' cannot be understood: {str(error)[:160]}", hint=_HINT) from None
    return _Reader(file).settings(told)


class _Reader:
    """Reads values of one file, and says of a bad one where it stands."""

    def __init__(self, file: Path) -> None:
        self._file, self._folder = file, file.absolute().parent

    def settings(self, told: Mapping[str, Any]) -> AgentSettings:
        allowed = {"identity", "state", "metrics", "metrics_file", "trust_hours", "warn"}
        self._only(told, allowed, "")
        warn = told.get("warn", {})
        if not isinstance(warn, dict):
            raise self._wrong("warn", "a table")
        self._only(warn, {"webhook", "command"}, "warn.")
        identities = told.get("identity", [])
        if not isinstance(identities, list) or not identities:
            raise self._wrong("identity", "one table for each identity: [[identity]]")
        watched = tuple(self._identity(each) for each in identities)
        for what in ("name", "path"):
            values = [getattr(each, what) for each in watched]
            if twice := sorted({str(each) for each in values if values.count(each) > 1}):
                raise self._wrong(f"identity.{what}", f"another for each identity, and {twice[0]!r} is there twice")
        return AgentSettings(
            identities=watched,
            state=self._path(told, "state") or self._folder / STATE_FOLDER,
            metrics=self._address(told.get("metrics")),
            metrics_file=self._path(told, "metrics_file"),
            trust_every=timedelta(hours=self._number(told, "trust_hours", 24, MAX_TRUST_HOURS)),
            webhook=self._webhook(warn.get("webhook")),
            warn_command=self._words(warn.get("command", []), "warn.command"),
        )

    def _identity(self, told: Any) -> WatchedIdentity:
        if not isinstance(told, dict):
            raise self._wrong("identity", "a table: [[identity]]")
        allowed = {"path", "name", "key", "password_file", "home", "same_key", "hooks", "hook_seconds"}
        self._only(told, allowed, "identity.")
        path = self._path(told, "path")
        if path is None:
            raise self._wrong("identity.path", "the path of a folder or file")
        hooks, same_key, name = told.get("hooks", []), told.get("same_key", False), told.get("name", path.name)
        if not isinstance(hooks, list):
            raise self._wrong("identity.hooks", 'a list of lists: [["systemctl", "reload", "nginx"]]')
        if not isinstance(same_key, bool):
            raise self._wrong("identity.same_key", "true or false")
        if not isinstance(name, str) or not name or not name.isprintable():
            raise self._wrong("identity.name", "a name")
        return WatchedIdentity(
            path=path,
            name=name,
            key=self._path(told, "key"),
            password_file=self._path(told, "password_file"),
            home=self._path(told, "home"),
            same_key=same_key,
            hooks=tuple(filter(None, (self._words(each, "identity.hooks") for each in hooks))),
            hook_seconds=self._number(told, "hook_seconds", HOOK_SECONDS, MAX_HOOK_SECONDS),
        )

    def _only(self, told: Mapping[str, Any], allowed: set[str], prefix: str) -> None:
        if unknown := sorted(set(told) - allowed):
            raise InvalidSettings(f"'{self._file}' sets {prefix + unknown[0]!r}, which is nothing", hint=_HINT)

    def _path(self, told: Mapping[str, Any], name: str) -> Path | None:
        value = told.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or not value or "\0" in value:
            raise self._wrong(name, "a path")
        return self._folder / value

    def _words(self, value: Any, name: str) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(each, str) and "\0" not in each for each in value):
            raise self._wrong(name, 'a list of words, for no shell reads it: ["systemctl", "reload", "nginx"]')
        if value and not value[0]:
            raise self._wrong(name, "a list of words that begins with a program")
        return tuple(value)

    def _number(self, told: Mapping[str, Any], name: str, default: float, most: float) -> float:
        value = told.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
            raise self._wrong(name, f"a number above 0, and {most:g} at most")
        return float(value)

    def _address(self, value: Any) -> Address | None:
        if value is None:
            return None
        try:
            return parse_address(str(value))
        except InvalidAddress:
            raise self._wrong("metrics", "an address such as 127.0.0.1:9102") from None

    def _webhook(self, value: Any) -> str | None:
        if value is None:
            return None
        try:
            parts = urlsplit(value) if isinstance(value, str) and value.isascii() and value.isprintable() else None
            good = parts is not None and parts.scheme in {"https", "http"} and parts.hostname and parts.port != 0
        except ValueError:
            good = False
        if not good or " " in value:
            raise self._wrong("warn.webhook", "an address such as https://alerts.acme.example/mutua")
        return str(value)

    def _wrong(self, name: str, wanted: str) -> InvalidSettings:
        return InvalidSettings(f"{name} in '{self._file}' has to be {wanted}", hint=_HINT)
