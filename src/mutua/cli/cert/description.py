"""What ``mutua.doctor.inspection`` found, as lines for a person."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, cast

from mutua.cli.output import day
from mutua.doctor.inspection import Description

Section = list[tuple[str, str]]

_KINDS = {
    "certificate": ("certificate", "certificates"),
    "request": ("certificate request", "certificate requests"),
    "crl": ("revocation list", "revocation lists"),
    "private_key": ("private key", "private keys"),
    "public_key": ("public key", "public keys"),
    "pkcs12": ("PKCS#12", "PKCS#12"),
    "pkcs7": ("PKCS#7", "PKCS#7"),
    "unknown": ("PEM block of an unknown kind", "PEM blocks of unknown kinds"),
}
_PURPOSES = {"server_auth": "TLS server", "client_auth": "TLS client", "any": "any purpose"}
_STATES = {"expired": "PAST", "not_yet_valid": "not valid yet"}


def summary(found: Sequence[Description]) -> str:
    """What a file holds, in one line: ``PKCS#12 with 1 private key, 2 certificates``."""
    containers = [each for each in found if "contents" in each]
    if len(found) == 1 and containers:
        held = cast("list[Description]", found[0]["contents"])
        return f"{_KINDS[str(found[0]['kind'])][0]} with {summary(held) if held else 'nothing in it'}"
    counts = Counter(str(each["kind"]) for each in found)
    return ", ".join(f"{count} {_KINDS[kind][count > 1]}" for kind, count in counts.items())


def sections(found: Iterable[Description]) -> Iterator[Section]:
    """For each thing in a file its names and values, not escaped yet; what is empty is left out."""
    for each in found:
        held = each.get("contents")
        if isinstance(held, list):
            yield from sections(held)
        else:
            lines = [(label, show(each)) for label, show in _LINES[str(each["kind"])]]
            yield [(label, value) for label, value in lines if value]


def _text(key: str) -> Callable[[Description], str]:
    """The value as it is; a list with commas; nothing for what is empty or not known."""

    def show(description: Description) -> str:
        value: Any = description.get(key)
        if isinstance(value, list):
            return ", ".join(map(str, value))
        return "" if value is None else day(value) if isinstance(value, datetime) else str(value)

    return show


def _words(key: str) -> Callable[[Description], str]:
    """As ``_text``, the words of a stable value apart: ``digital_signature`` is ``digital signature``."""
    return lambda description: _text(key)(description).replace("_", " ")


def _subject(description: Description) -> str:
    return str(description["subject"]) or "(no subject)"


def _purposes(description: Description) -> str:
    named = cast("list[str]", description["purposes"])
    unsaid = "not restricted" if description["kind"] == "certificate" else ""
    return ", ".join(_PURPOSES.get(each, each.replace("_", " ")) for each in named) or unsaid


def _ca(description: Description) -> str:
    if not description["is_ca"]:
        return ""
    below = description.get("path_length")
    if below is None:
        return "yes"
    return f"yes, with at most {below} CAs below it" if below else "yes, with none below it"


def _issuer(description: Description) -> str:
    return f"{description['issuer']}{' (itself)' if description['self_issued'] else ''}"


def _end(key: str) -> Callable[[Description], str]:
    """When it ends, and whether that is past."""

    def show(description: Description) -> str:
        end, state = description[key], _STATES.get(str(description["state"]))
        said = day(end) if isinstance(end, datetime) else "not said"
        return f"{said} ({state})" if state else said

    return show


def _proof(description: Description) -> str:
    verifies = description["signature_verifies"]
    if verifies is None:
        return f"{description['signature']}, not checked: the key or the algorithm is not supported"
    return f"{description['signature']}, {'verifies' if verifies else 'DOES NOT VERIFY'}"


def _belongs(description: Description) -> str:
    owner = description["belongs_to"]
    return f"the certificate {owner}" if owner else "no certificate in this file"


def _others(description: Description) -> str:
    others = cast("list[dict[str, object]]", description["other_extensions"])
    return ", ".join(f"{each['oid']}{' (critical)' if each['critical'] else ''}" for each in others)


_LINES: dict[str, list[tuple[str, Callable[[Description], str]]]] = {
    "certificate": [
        ("certificate", _subject),
        ("friendly name", _text("friendly_name")),
        ("names", _text("names")),
        ("purposes", _purposes),
        ("key usage", _words("key_usage")),
        ("CA", _ca),
        ("permitted names", _text("permitted_names")),
        ("excluded names", _text("excluded_names")),
        ("key", _text("key")),
        ("issuer", _issuer),
        ("serial", _text("serial")),
        ("signature", _text("signature")),
        ("from", _text("not_before")),
        ("until", _end("not_after")),
        ("thumbprint", _text("thumbprint")),
        ("key hash", _text("spki")),
        ("key identifier", _text("subject_key_identifier")),
        ("issuer's key", _text("authority_key_identifier")),
        ("CRL at", _text("crl_urls")),
        ("issuer at", _text("ca_issuer_urls")),
        ("OCSP at", _text("ocsp_urls")),
        ("other extensions", _others),
    ],
    "request": [
        ("request", _subject),
        ("names", _text("names")),
        ("purposes", _purposes),
        ("key usage", _words("key_usage")),
        ("CA", _ca),
        ("key", _text("key")),
        ("key hash", _text("spki")),
        ("signature", _proof),
        ("other extensions", _others),
    ],
    "crl": [
        ("revocation list", _text("issuer")),
        ("number", _text("number")),
        ("changes since", _text("delta_of")),
        ("from", _text("this_update")),
        ("next update", _end("next_update")),
        ("revoked", _text("revoked")),
        ("signature", _text("signature")),
        ("only for", _text("scope_urls")),
        ("issuer's key", _text("authority_key_identifier")),
        ("other extensions", _others),
    ],
    "private_key": [
        ("private key", _text("key")),
        ("friendly name", _text("friendly_name")),
        ("encrypted", lambda description: "yes" if description["encrypted"] else "no"),
        ("belongs to", _belongs),
        ("key hash", _text("spki")),
    ],
    "public_key": [
        ("public key", _text("key")),
        ("belongs to", _belongs),
        ("key hash", _text("spki")),
    ],
    "unknown": [("not read", _text("label"))],
}
"""For each kind what a person reads of it, in this order."""
