"""CAs: the root, the issuing CAs below it, and how far the word of each goes."""

import ipaddress
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import count

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from mutua.ca.issuance import validity
from mutua.errors import InvalidAuthority, InvalidName
from mutua.pki.draft import Constraints, Draft, Pointers, distinguished_name
from mutua.pki.keys import PublicKey
from mutua.pki.names import DnsName, IpName, parse_name
from mutua.pki.profiles import ISSUING_CA, ROOT

ROOT_PATH_LENGTH = 2
"""Issuing CAs, and between them and the root one that has others below it, such as one for all partners."""

ISSUING_PATH_LENGTH = 0

MAX_ID = 63

_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class Purpose(StrEnum):
    """What a CA issues for."""

    ANY = "any"
    SERVER = "server"
    CLIENT = "client"

    def covers(self, profile: str) -> bool:
        """Whether a CA for this purpose issues certificates of a profile."""
        return self is Purpose.ANY or self.value == profile


class AuthorityState(StrEnum):
    """What a CA still does.

    ``active`` signs certificates. ``superseded`` has a successor and signs CRLs and OCSP responders only; what it
    issued is trusted. ``retired`` is trusted no more.
    """

    ACTIVE = "active"
    SUPERSEDED = "superseded"
    RETIRED = "retired"


_USAGES = {
    Purpose.ANY: (),
    # With the responder's own purpose, since an ExtendedKeyUsage in a CA binds everything below it.
    Purpose.SERVER: (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.OCSP_SIGNING),
    Purpose.CLIENT: (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.OCSP_SIGNING),
}


def accepted_authority_id(text: str) -> str:
    """Return ``text`` if it can name a CA: it stands in URLs and file names.

    Raises:
        InvalidAuthority: it is not 1 to 63 lower-case ASCII letters, digits and inner hyphens.
    """
    if not _ID.fullmatch(text):
        raise InvalidAuthority(
            f"{text[:80]!r} cannot name a CA", hint="use lower-case letters, digits and inner hyphens: partner-acme"
        )
    return text


def next_id(current: str, taken: Iterable[str]) -> str:
    """What the CA after ``current`` is called: ``issuing-2`` after ``issuing-1``, ``partner-2`` after ``partner``."""
    stem, number = numbered(current)
    used = set(taken)
    return next(name for name in (_with_number(stem, each) for each in count(number + 1)) if name not in used)


def _with_number(stem: str, number: int) -> str:
    suffix = f"-{number}"
    if len(stem) + len(suffix) > MAX_ID:
        stem = stem[: MAX_ID - len(suffix)].rstrip("-")
    return stem + suffix


def numbered(authority: str) -> tuple[str, int]:
    """What a CA's name has in common with those of its successors, and which of them it is; the first has no number."""
    stem, _, number = authority.rpartition("-")
    return (stem, int(number)) if stem and number.isdigit() else (authority, 1)


def constraints_of(
    purpose: Purpose, *, path_length: int = ISSUING_PATH_LENGTH, names: Iterable[str] = ()
) -> Constraints:
    """How far an issuing CA's word is to go.

    Args:
        purpose: the kind of certificate below it.
        path_length: how many further CAs may follow.
        names: the only names below it: a domain and all within (``acme.example``), a network (``10.0.0.0/8``), or
            the mail addresses (``@acme.example``) of a domain; any when none is given.

    Raises:
        InvalidAuthority: the path length or a name cannot be used.
    """
    if not 0 <= path_length <= 8:
        raise InvalidAuthority(f"a path length is 0 to 8, not {path_length}", hint="leave --path-length out")
    permitted = tuple(_subtree(name) for name in names)
    return Constraints(path_length=path_length, purposes=_USAGES[purpose], permitted=permitted)


def draft_root(
    organization: str, public_key: PublicKey, *, serial: int, now: datetime, path_length: int = ROOT_PATH_LENGTH
) -> Draft:
    """A self-signed root CA."""
    not_before, not_after = validity(ROOT, None, None, now)
    return Draft(
        profile=ROOT,
        subject=distinguished_name(common_name="Root CA", organization=organization),
        names=(),
        public_key=public_key,
        issuer=None,
        serial=serial,
        not_before=not_before,
        not_after=not_after,
        constraints=Constraints(path_length=path_length),
    )


def draft_issuing_ca(
    organization: str,
    public_key: PublicKey,
    *,
    root: x509.Certificate,
    serial: int,
    now: datetime,
    common_name: str = "Issuing CA 1",
    constraints: Constraints | None = None,
    lifetime: timedelta | None = None,
    pointers: Pointers | None = None,
) -> Draft:
    """A CA below another one, which signs servers' and clients' certificates.

    Raises:
        InvalidAuthority: the CA above does not allow one below it, or not with that path length.
        InvalidLifetime: the CA above has expired, or the lifetime is too long.
    """
    constraints = constraints or constraints_of(Purpose.ANY)
    allowed = _path_length(root)
    if allowed is not None and (constraints.path_length is None or constraints.path_length >= allowed):
        raise InvalidAuthority(
            f"the CA above has the path length {allowed}, so this one cannot have {constraints.path_length}",
            hint="give a smaller --path-length, or put it below the root",
        )
    not_before, not_after = validity(ISSUING_CA, lifetime, root, now)
    return Draft(
        profile=ISSUING_CA,
        subject=distinguished_name(common_name=common_name, organization=organization),
        names=(),
        public_key=public_key,
        issuer=root,
        serial=serial,
        not_before=not_before,
        not_after=not_after,
        constraints=constraints,
        pointers=pointers,
    )


def constraints_in(certificate: x509.Certificate) -> Constraints:
    """The constraints a CA's certificate states, so that its successor states them too."""
    purposes: tuple[x509.ObjectIdentifier, ...] = ()
    permitted: tuple[x509.GeneralName, ...] = ()
    excluded: tuple[x509.GeneralName, ...] = ()
    for extension in certificate.extensions:
        match extension.value:
            case x509.ExtendedKeyUsage() as usage:
                purposes = tuple(usage)
            case x509.NameConstraints() as names:
                permitted = tuple(names.permitted_subtrees or ())
                excluded = tuple(names.excluded_subtrees or ())
    return Constraints(path_length=_path_length(certificate), purposes=purposes, permitted=permitted, excluded=excluded)


def _path_length(certificate: x509.Certificate) -> int | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
    except x509.ExtensionNotFound:
        return None


def _subtree(text: str) -> x509.GeneralName:
    try:
        if "/" in text:
            return x509.IPAddress(ipaddress.ip_network(text))
        name = parse_name(text.removeprefix("@"))
    except (ValueError, InvalidName):
        name = None
    match name:
        case IpName(value=address) if "@" not in text:
            return x509.IPAddress(ipaddress.ip_network(address))
        case DnsName(value=domain) if "*" not in domain:
            return x509.RFC822Name(domain) if text.startswith("@") else x509.DNSName(domain)
    raise InvalidAuthority(
        f"{text[:80]!r} is no part of the name space", hint="give a domain, a network or @domain: --names acme.example"
    )
