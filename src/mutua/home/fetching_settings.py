"""How the CRLs of partners' CAs are fetched: the table ``[foreign_crls]`` of ``mutua.toml``."""

from dataclasses import dataclass
from datetime import timedelta

MAX_REFRESH_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True)
class FetchingSettings:
    """The table.

    Attributes:
        refresh: how often a CRL is fetched again, though always well before it ends.
        allow_private: whether it may be fetched from an address within one's own networks.
    """

    refresh: timedelta = timedelta(hours=1)
    allow_private: bool = False


def read_fetching(key: str, value: object) -> FetchingSettings:
    """Read the table.

    Raises:
        ValueError: it is none, or something in it cannot be; the message has no value in it.
    """
    if not isinstance(value, dict) or value.keys() - {"refresh_minutes", "allow_private"}:
        raise ValueError(f"'[{key}]' may have 'refresh_minutes' and 'allow_private'")
    minutes, allow_private = value.get("refresh_minutes", 60), value.get("allow_private", False)
    if not isinstance(minutes, int) or isinstance(minutes, bool) or not 1 <= minutes <= MAX_REFRESH_MINUTES:
        raise ValueError(f"'{key}.refresh_minutes' must be 1 to {MAX_REFRESH_MINUTES}")
    if not isinstance(allow_private, bool):
        raise ValueError(f"'{key}.allow_private' must be true or false")  # noqa: TRY004 -- a value in a file
    return FetchingSettings(timedelta(minutes=minutes), allow_private)
