"""A registry as a file: clients, what they may call, and what partners brought. Never a key, nothing we issued.

The file is JSON: ``{"clients": [{"name": ..., "state": ..., "grants": [...], "credentials": [...]}]}``. A credential is
``{"by": FORM, "name": ..., "certificates": [PEM, ...]}``, with a name for those of a CA alone. With CRLs it has
``"crls": [URL, ...], "stale_crl": "refuse"`` as well. What counts of it is worked out anew from the certificates, so
that no file can claim a hash.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mutua.errors import InvalidRegistryFile, MutuaError
from mutua.pki.certificates import read_certificates
from mutua.registry.clients import Client, ClientState, accepted_client_name
from mutua.registry.credentials import Form, StalePolicy
from mutua.registry.foreign_crls import with_crls
from mutua.registry.grants import Grant
from mutua.registry.partners import Introduction, by_certificate, by_key, by_subject

MAX_FILE_BYTES = 64 * 1024 * 1024
"""A hundred thousand clients with a few grants, or ten thousand with the chain of a partner."""

MAX_MISTAKES = 20
"""Mistakes that are told; the rest is counted."""

_CLIENT_KEYS = {"name", "state", "grants", "credentials"}
_CREDENTIAL_KEYS = {"by", "name", "certificates", "crls", "stale_crl"}


@dataclass(frozen=True, slots=True)
class Entry:
    """A client as a file tells of it.

    Attributes:
        client: its name, state and grants.
        introductions: what it brings.
    """

    client: Client
    introductions: tuple[Introduction, ...] = ()


def read_registry(data: bytes, *, now: datetime) -> tuple[Entry, ...]:
    """Read a file of clients.

    Args:
        data: JSON, at most 64 MiB.
        now: UTC; a certificate that is not good now is a mistake.

    Raises:
        InvalidRegistryFile: with every mistake, up to twenty.
    """
    if len(data) > MAX_FILE_BYTES:
        raise _invalid([f"{len(data)} bytes are too many, {MAX_FILE_BYTES} are the most"])
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _invalid([f"it is not JSON: {str(error)[:120]}"]) from None
    if not isinstance(content, dict) or content.keys() != {"clients"} or not isinstance(content["clients"], list):
        raise _invalid(['it is not {"clients": [...]}'])
    mistakes: list[str] = []
    told = enumerate(content["clients"], 1)
    entries = [entry for place, each in told if (entry := _entry(each, place, now, mistakes))]
    names = [entry.client.name for entry in entries]
    mistakes += [f"{name!r} is there twice" for name in dict.fromkeys(names) if names.count(name) > 1]
    if mistakes:
        raise _invalid(mistakes)
    return tuple(entries)


def write_registry(entries: Iterable[Mapping[str, object]]) -> str:
    """The file of these clients, each as ``read_registry`` takes it."""
    return json.dumps({"clients": list(entries)}, indent=2, ensure_ascii=False) + "\n"


def _entry(told: Any, place: int, now: datetime, mistakes: list[str]) -> Entry | None:
    if not isinstance(told, dict) or "name" not in told:
        mistakes.append(f"client {place} has no name")
        return None
    who = repr(str(told["name"])[:80])
    before = len(mistakes)
    if unknown := told.keys() - _CLIENT_KEYS:
        mistakes.append(f"{who} has what is unknown: {', '.join(sorted(map(repr, unknown)))[:120]}")
    grants, credentials = told.get("grants", []), told.get("credentials", [])
    if not (isinstance(grants, list) and isinstance(credentials, list)):
        mistakes.append(f"{who}: grants and credentials are lists")
        return None
    try:
        client = Client(
            name=accepted_client_name(str(told["name"])),
            state=ClientState(told.get("state", "active")),
            grants=tuple(dict.fromkeys(Grant.parse(str(each)) for each in grants)),
        )
    except (MutuaError, ValueError) as error:
        mistakes.append(f"{who}: {error}")
        return None
    introductions = []
    for each in credentials:
        try:
            introductions.append(_introduction(each, now))
        except (MutuaError, ValueError, TypeError, KeyError) as error:
            mistakes.append(f"{who}: {error}")
    return Entry(client, tuple(introductions)) if len(mistakes) == before else None


def _introduction(told: Any, now: datetime) -> Introduction:
    if not isinstance(told, dict) or not {"by", "certificates"} <= told.keys() <= _CREDENTIAL_KEYS:
        raise ValueError("a credential has 'by' and 'certificates', and 'name' below a CA")
    form, texts = Form(told["by"]), told["certificates"]
    if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
        raise ValueError("certificates are a list of PEM texts")
    urls, stale = told.get("crls", []), StalePolicy(told.get("stale_crl", StalePolicy.REFUSE))
    if not isinstance(urls, list) or not all(isinstance(each, str) for each in urls):
        raise ValueError("crls are a list of addresses")
    certificates = read_certificates("".join(texts).encode())
    match form:
        case Form.CERTIFICATE:
            known = by_certificate(certificates, now=now)
        case Form.KEY:
            known = by_key(certificates)
        case _:
            known = by_subject(certificates, form, str(told["name"]), now=now)
    return with_crls(known, certificates, urls=urls, stale=stale)


def _invalid(mistakes: list[str]) -> InvalidRegistryFile:
    more = f"; and {len(mistakes) - MAX_MISTAKES} more" if len(mistakes) > MAX_MISTAKES else ""
    return InvalidRegistryFile(
        "the file of clients cannot be used: " + "; ".join(mistakes[:MAX_MISTAKES]) + more,
        hint="see what one looks like: mutua client export",
    )
