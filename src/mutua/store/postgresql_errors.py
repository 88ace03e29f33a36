"""What PostgreSQL's errors mean to whoever runs mutua."""

from collections.abc import Callable

import psycopg

from mutua.errors import DiskFull, MutuaError, StoreUnreachable, UnreadableStore

_BROKEN = frozenset({"57P01", "57P02", "57P03", "57P05", "25P03"})
"""The server has ended the session."""

_NO_SUCH_TABLE = "42P01"


def is_lost(error: Exception) -> bool:
    """Whether the connection to the server broke."""
    if not isinstance(error, psycopg.Error):
        return False
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError)
    return error.sqlstate.startswith("08") or error.sqlstate in _BROKEN


def refused(error: psycopg.Error, location: str) -> StoreUnreachable:
    """No connection was to be had. There is no SQLSTATE then; the server's words are as its ``lc_messages`` says."""
    words, hint = in_words(error), _psql(location)
    if "too many" in words or "connection slots" in words:
        hint = "close other connections, or let the server have more: max_connections in postgresql.conf"
    elif "password" in words:
        hint = "give the password: export PGPASSWORD, or a line in ~/.pgpass"
    return StoreUnreachable(f"the store at '{location}' cannot be reached: {words}", hint=hint)


def explain(error: psycopg.Error, location: str, *, writing: bool) -> MutuaError | None:
    """What an error of the driver means; ``None`` if it is our statement that was wrong.

    Args:
        error: as psycopg raised it.
        location: of the store, without a password.
        writing: whether a transaction was to change something, and has not.
    """
    state = error.sqlstate or ""
    if state == _NO_SUCH_TABLE and "alembic_version" in in_words(error):
        return UnreadableStore(f"there is no store at '{location}'", hint=f"{_psql(location)} -c '\\dt'")
    found = _LOST if is_lost(error) else _MEANINGS.get(state) or _MEANINGS.get(state[:2])
    if found is None:
        return None
    kind, what, hint = found
    end = "; nothing was written" if writing else ""
    return kind(f"the store at '{location}' {what}: {in_words(error)}{end}", hint=hint(location))


def in_words(error: psycopg.Error) -> str:
    """What the server or libpq says, on one line."""
    return " ".join((error.diag.message_primary or str(error)).split())


def _psql(location: str) -> str:
    return f"psql '{location.replace('+psycopg', '', 1)}'"


def _try_again(location: str) -> str:
    return f"do it again; and if it fails again: {_psql(location)}"


def _see_who(location: str) -> str:
    return f"see who holds it: {_psql(location)} -c 'TABLE pg_stat_activity'"


def _make_room(_location: str) -> str:
    return "make room on the server: df -h"


def _find_primary(_location: str) -> str:
    return "give the address of the primary, or have the database take changes again"


def _grant(location: str) -> str:
    return f"have the tables' owner grant it: {_psql(location)} -c '\\dp'"


def _restore(_location: str) -> str:
    return "restore it from a backup"


def _make_schema(location: str) -> str:
    return f"make the schema that the URL's search_path names: {_psql(location)} -c 'CREATE SCHEMA mutua'"


_Meaning = tuple[type[MutuaError], str, Callable[[str], str]]

_LOST: _Meaning = (StoreUnreachable, "broke the connection", _try_again)

_MEANINGS: dict[str, _Meaning] = {
    "53100": (DiskFull, "has no room left on its disk", _make_room),
    "53": (StoreUnreachable, "is at the end of its resources", _try_again),
    "55P03": (UnreadableStore, "is held by somebody else for too long", _see_who),
    "25006": (UnreadableStore, "takes no changes", _find_primary),
    "42501": (UnreadableStore, "is closed to its user", _grant),
    _NO_SUCH_TABLE: (UnreadableStore, "lacks a table", _restore),
    "42703": (UnreadableStore, "lacks a column", _restore),
    "3F000": (UnreadableStore, "has no place for its tables", _make_schema),
    "40001": (StoreUnreachable, "could not do it now", _try_again),
    "40P01": (StoreUnreachable, "could not do it now", _try_again),
    "57": (StoreUnreachable, "broke off", _try_again),
    "58": (UnreadableStore, "cannot be used", _restore),
    "XX": (UnreadableStore, "cannot be used", _restore),
}
