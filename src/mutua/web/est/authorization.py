"""The Authorization header, as far as EST needs it (RFC 7030 section 3.2.3)."""

from base64 import b64decode

MAX_CREDENTIALS = 1024
"""Characters of Basic: a name of 63 and a token of 43 take 144."""


def basic(header: str) -> tuple[str, str] | None:
    """User and password of HTTP Basic (RFC 7617); ``None`` for anything else."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic" or len(encoded) > MAX_CREDENTIALS:
        return None
    try:
        user, colon, password = b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:
        return None
    return (user, password) if colon else None


def bearer(header: str) -> str | None:
    """What stands behind ``Bearer`` (RFC 6750 section 2.1); ``None`` for anything else."""
    scheme, _, token = header.partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
