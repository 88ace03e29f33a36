"""Invitations: what lets a machine have its first certificate, once, before a certain time.

An invitation is one line of text, ``mutua-invite:`` and the base64url (RFC 7515 section 2) of a JSON object:

===========  ============================================================================================
``v``        1
``url``      where the EST server is: ``https://HOST`` or ``https://HOST:PORT``, and nothing behind it
``client``   whom it is for; the user name of HTTP Basic (RFC 7617)
``token``    32 random bytes in base64url; the password
``anchor``   the root's certificate, DER in base64url: the only one that the server's chain may end at
``profile``  of the certificate that it is good for: ``client`` or ``server``
``names``    what will be certified, each as it is shown
``exp``      until when it is good, in seconds since 1970
===========  ============================================================================================

The whole anchor is in it, rather than a hash, so that nobody ever has to open a connection that is not verified in
order to learn what the hash is of (RFC 7030 section 4.1.1 would have him do that). Members that are not known are
passed over; another ``v`` is refused.
"""

import hashlib
import json
from base64 import urlsafe_b64decode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509

from mutua.errors import InvalidAddress, MutuaError, UnreadableInvitation
from mutua.pki.certificates import read_certificate, write_der
from mutua.pki.profiles import CLIENT, SERVER
from mutua.pki.thumbprints import base64url
from mutua.registry.clients import accepted_client_name

PREFIX = "mutua-invite:"

TOKEN_BYTES = 32
"""256 bits: what RFC 6749 section 10.10 asks for (one guess in 2^160 at most) and more, so a plain hash may be kept."""

MAX_INVITATION_CHARACTERS = 32 * 1024
"""A root with an RSA-4096 key takes 2.5 KiB, and a hundred names of 253 characters 25 KiB in JSON: either fits."""

MAX_URL_CHARACTERS = 512

_NAMES = 100
_CHARACTERS = 255
_HINT = "give the whole line that `mutua client invite` has printed"
_PROFILES = {CLIENT.name, SERVER.name}


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """What whoever is invited holds.

    Attributes:
        url: the EST server's base, without a slash behind it.
        client: whom it is for; the user name of HTTP Basic.
        token: the password of HTTP Basic: 43 characters, good once.
        anchor: the root that the server's chain has to end at.
        profile: ``client`` or ``server``.
        names: what will be certified, whatever a request says.
        expires_at: UTC.
    """

    url: str
    client: str
    token: str = field(repr=False)
    anchor: x509.Certificate
    profile: str
    names: tuple[str, ...]
    expires_at: datetime


def read_invitation(text: str) -> Invitation:
    """Read an invitation; white space around it, and within it as mail puts it there, does not matter.

    Whether it has expired is for whoever uses it to say, and for the server to decide.

    Raises:
        UnreadableInvitation: it is none, is not whole, or is of a later version.
    """
    if len(text) > MAX_INVITATION_CHARACTERS:
        raise _unreadable(f"{len(text)} characters are too many")
    compact = "".join(text.split())
    if not compact.startswith(PREFIX):
        raise _unreadable(f"it does not begin with {PREFIX!r}")
    try:
        told = json.loads(_bytes(compact.removeprefix(PREFIX)))
    except (ValueError, RecursionError):
        raise _unreadable("it is not whole, or was changed") from None
    if not isinstance(told, dict) or told.get("v") != 1:
        raise _unreadable("it is of no version that this mutua knows")
    try:
        return _invitation(told)
    except (ValueError, KeyError, TypeError, OverflowError, OSError, MutuaError) as error:
        why = error.message if isinstance(error, MutuaError) else str(error)[:80]
        raise _unreadable(f"what it says cannot be used: {why}") from None


def write_invitation(invitation: Invitation) -> str:
    """The line to hand over. It is a secret."""
    told = {
        "v": 1,
        "url": invitation.url,
        "client": invitation.client,
        "token": invitation.token,
        "anchor": base64url(write_der(invitation.anchor)),
        "profile": invitation.profile,
        "names": list(invitation.names),
        "exp": int(invitation.expires_at.timestamp()),
    }
    return PREFIX + base64url(json.dumps(told, separators=(",", ":")).encode())


def token_hash(token: str) -> str | None:
    """What is kept of a token: the SHA-256 of its bytes, base64url; ``None`` for what is no token."""
    try:
        data = _bytes(token)
    except ValueError:
        return None
    return base64url(hashlib.sha256(data).digest()) if len(data) == TOKEN_BYTES and base64url(data) == token else None


def accepted_est_url(text: str) -> str:
    """The base of an EST server, as an invitation names it: https, a host, perhaps a port.

    Raises:
        InvalidAddress: it is anything else. A path has no place in it (RFC 7030 section 3.2.2).
    """
    try:
        parts = urlsplit(text) if len(text) <= MAX_URL_CHARACTERS and text.isascii() and text.isprintable() else None
        good = (
            parts is not None
            and parts.scheme == "https"
            and bool(parts.hostname)
            and " " not in text
            and parts.port != 0
            and parts.path in {"", "/"}
            and not set(text) & set("@?#\\")
        )
    except ValueError:
        good = False
    if not good:
        raise InvalidAddress(
            f"{text[:80]!r} is no base of an EST server", hint="such as https://pki.acme.example:8443, without a path"
        )
    return text.rstrip("/")


def _invitation(told: dict[str, Any]) -> Invitation:
    token, names, exp = _text(told["token"]), told["names"], told["exp"]
    if token_hash(token) is None:
        raise ValueError("the token is none")
    if told["profile"] not in _PROFILES:
        raise ValueError("no such profile")
    if not isinstance(names, list) or len(names) > _NAMES:
        raise ValueError("the names are no list of names")
    if not isinstance(exp, int) or isinstance(exp, bool):
        raise ValueError("the time is none")  # noqa: TRY004 -- a value in a text
    return Invitation(
        url=accepted_est_url(_text(told["url"], MAX_URL_CHARACTERS)),
        client=accepted_client_name(_text(told["client"])),
        token=token,
        anchor=read_certificate(_bytes(_text(told["anchor"], MAX_INVITATION_CHARACTERS))),
        profile=told["profile"],
        names=tuple(map(_text, names)),
        expires_at=datetime.fromtimestamp(exp, UTC),
    )


def _text(value: object, most: int = _CHARACTERS) -> str:
    if not isinstance(value, str) or len(value) > most or not value.isprintable():
        raise ValueError("a text is none, is too long, or cannot be shown")
    return value


def _bytes(text: str) -> bytes:
    """Base64url without padding; anything else is no value."""
    if not text.isascii() or not text.replace("-", "a").replace("_", "a").isalnum():
        raise ValueError("not base64url")
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _unreadable(why: str) -> UnreadableInvitation:
    return UnreadableInvitation(f"that is no invitation: {why}", hint=_HINT)
