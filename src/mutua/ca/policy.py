"""The policy: what a request may ask for, and the judgement of one request against it.

A pattern of names is one of:

===========================  ========================================================================
``api.acme.example``         that name, in any form that ``mutua.pki.names`` reads
``*.acme.example``           every DNS name below, at any depth; for a server the wildcard too
``10.0.0.0/8``               the IP addresses of a network
``spiffe://acme.example/*``  every URI below, at any depth, with plain segments; ``urn:acme:*`` likewise
``@acme.example``            every mailbox of that very domain
``{client}``                 in any of these: the client's name in the registry
===========================  ========================================================================

What no pattern covers is refused. Only an operator's explicit choice of names is not held against them.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from mutua.ca.issuance import MAX_NAMES
from mutua.errors import InvalidName, InvalidSettings, RefusedRequest, UnreadableKey
from mutua.pki.keys import MAX_RSA_BITS, MIN_RSA_BITS, PublicKey, accepted_public_key, describe_key
from mutua.pki.names import DnsName, IpName, Name, UriName, parse_name
from mutua.pki.profiles import PROFILES, Profile
from mutua.pki.requests import MAX_EXTRAS, CertificateRequest, rsa_weaknesses

MAX_DAYS = max(profile.max_lifetime for profile in PROFILES.values()).days
"""No profile lets a certificate live longer; a larger number in a policy is a slip."""

MAX_VALID = 16
"""Certificates one client may have at once unless settings say otherwise: some machines, each with a renewal."""

_CLIENT = "{client}"
_STAND_IN = "name-of-the-client-here"  # a label like any client's name, while a pattern is compiled
_ALL_KEYS: Mapping[str, int] = MappingProxyType({"p256": 0, "p384": 0, "ed25519": 0, "rsa": MIN_RSA_BITS})
_RSA_KIND = re.compile(r"rsa([0-9]{4})?")
_LABEL = r"(?!..--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_PLAIN_DNS = re.compile(rf"(?:\*\.(?=[^.]+\.))?(?:{_LABEL}\.)*(?=[a-z]){_LABEL}")
_SEGMENT = r"(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~!$&'()*+,;=:@-]+"
_PLAIN_SEGMENTS = re.compile(f"{_SEGMENT}(?:/{_SEGMENT})*")
_FORMS = "write patterns such as {client}, *.acme.example, 10.0.0.0/8, spiffe://acme.example/* or @acme.example"
_PURPOSES = {
    ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth",
    ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth",
    ExtendedKeyUsageOID.OCSP_SIGNING: "OCSPSigning",
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: "anyExtendedKeyUsage",
}

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Patterns:
    """Patterns of names, compiled: of each form the part that is fixed."""

    exact: frozenset[Name] = frozenset()
    dns: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()
    uris: tuple[str, ...] = ()
    mailboxes: tuple[str, ...] = ()

    @classmethod
    def of(cls, compiled: Iterable[tuple[str, Any]]) -> "Patterns":
        """Sort what ``_compiled`` gave."""
        forms: dict[str, Any] = {}
        for form, value in compiled:
            forms[form] = (*forms.get(form, ()), value)
        return cls(**forms | {"exact": frozenset(forms.get("exact", ()))})

    def cover(self, name: Name) -> bool:
        """Whether one of them covers a name that is well formed."""
        if name in self.exact:
            return True
        match name:
            case DnsName(value=text):
                return text.endswith(self.dns)
            case IpName(value=address):
                return any(address in network for network in self.networks)
            case UriName(value=text):
                return any(
                    text.startswith(prefix) and _PLAIN_SEGMENTS.fullmatch(text, len(prefix)) for prefix in self.uris
                )
            case _:
                return name.value.endswith(self.mailboxes)

    def for_client(self, client: str) -> "Patterns":
        """These patterns with a client's name for the stand-in."""
        return Patterns(
            exact=frozenset(
                name if isinstance(name, IpName) else type(name)(name.value.replace(_STAND_IN, client))
                for name in self.exact
            ),
            dns=tuple(text.replace(_STAND_IN, client) for text in self.dns),
            uris=tuple(text.replace(_STAND_IN, client) for text in self.uris),
            mailboxes=tuple(text.replace(_STAND_IN, client) for text in self.mailboxes),
        )


_NONE = Patterns()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a request may ask for. ``Policy.parse`` makes it from settings and compiles the patterns once.

    Attributes:
        names: the patterns as they were written; without any, no name may be asked for.
        keys: the kinds allowed: ``p256``, ``p384``, ``ed25519``, ``rsa``, each with the least bits for RSA.
        max_lifetime: the longest that may be asked for; ``None`` leaves it to the profile.
        max_valid: certificates valid at once for one client; ``None`` for any number.
        shared, personal: the patterns compiled, without and with ``{client}``.
    """

    names: tuple[str, ...] = ()
    keys: Mapping[str, int] = field(default_factory=lambda: _ALL_KEYS)
    max_lifetime: timedelta | None = None
    max_valid: int | None = None
    shared: Patterns = field(default=_NONE, repr=False)
    personal: Patterns = field(default=_NONE, repr=False)

    @classmethod
    def parse(cls, table: Mapping[str, object], defaults: "Policy | None" = None) -> "Policy":
        """Read a table of settings.

        Args:
            table: ``names`` is a list of patterns; ``keys`` a list of ``p256``, ``p384``, ``ed25519``, ``rsa``, or
                ``rsa3072`` for RSA with so many bits or more; ``max_days`` and ``max_valid`` are whole numbers.
            defaults: for what the table leaves out, such as ``CLIENT_POLICY``; without it no name is allowed.

        Raises:
            InvalidSettings: the message names every mistake.
        """
        if not isinstance(table, Mapping):
            raise InvalidSettings("a policy is a table of settings", hint=_FORMS)
        changes: dict[str, Any] = {}
        mistakes: list[str] = []
        for key, value in table.items():
            match key:
                case "names":
                    changes |= _names_setting(value, mistakes)
                case "keys":
                    changes["keys"] = _keys_setting(value, mistakes)
                case "max_days":
                    changes["max_lifetime"] = timedelta(days=_number(key, value, MAX_DAYS, mistakes))
                case "max_valid":
                    changes["max_valid"] = _number(key, value, 1_000_000, mistakes)
                case _:
                    mistakes.append(f"unknown setting {str(key)[:40]!r}")
        if mistakes:
            raise InvalidSettings(f"the policy cannot be understood: {'; '.join(mistakes)}", hint=_FORMS)
        return replace(defaults or cls(), **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What will be certified of a request.

    Attributes:
        names: for the SubjectAltName, 1 to 100, each once.
        lifetime: from the moment of issuance.
        common_name: for the subject; empty where the first name becomes it.
        dropped: what the request asks for and does not get, one line each.
    """

    names: tuple[Name, ...]
    lifetime: timedelta
    common_name: str
    dropped: tuple[str, ...]


def judge(
    request: CertificateRequest,
    policy: Policy,
    *,
    profile: Profile,
    client: str | None,
    names: tuple[Name, ...] | None,
    lifetime: timedelta | None,
    valid_now: int,
) -> Approval:
    """Decide what of a request is certified.

    Args:
        request: read, and its signature verified.
        policy: for requests of this profile.
        profile: ``SERVER`` or ``CLIENT``.
        client: the registered client that the certificate will prove. It gets its own name when it asks for none.
        names: an operator's explicit choice, or those that a renewal keeps. They are certified instead of the
            request's, and no pattern needs to cover them.
        lifetime: what is asked for; the profile's own when not given, as far as the policy allows it.
        valid_now: how many certificates of this client are valid now.

    Raises:
        RefusedRequest: with every rule that it breaks.
    """
    violations = list(_key_violations(request.public_key, policy))
    dropped = list(request.extras)
    if names is None:
        asked = tuple(dict.fromkeys(request.names))
        granted, refused = _granted_names(asked, policy, profile, client)
        violations.extend(refused)
    else:
        asked = granted = tuple(dict.fromkeys(names))
        dropped.extend(_other_names(request.names, set(names)))
    violations.extend(_misfits(asked or granted, profile))
    longest = min(profile.max_lifetime, policy.max_lifetime or profile.max_lifetime)
    if lifetime is not None and not timedelta(0) < lifetime <= longest:
        violations.append(f"a lifetime of {lifetime} is not allowed, but up to {longest.days} days")
    if policy.max_valid is not None and valid_now >= policy.max_valid:
        whose = f"{client!r} has" if client else "there are"
        violations.append(f"{whose} {valid_now} valid certificates already, and {policy.max_valid} are allowed")
    if violations:
        patterns = ", ".join(policy.names[:8]) or "none"
        hint = f"names that may be asked for: {patterns}; an operator certifies others with --name"
        raise RefusedRequest(tuple(violations), hint=hint)
    dropped.extend(_other_purposes(request.purposes, profile))
    if request.common_name not in {"", client or str(granted[0])}:
        dropped.append(f"subject CN={request.common_name[:80]!r}")
    return Approval(
        names=granted,
        lifetime=min(profile.lifetime, longest) if lifetime is None else lifetime,
        common_name=client or "",
        dropped=tuple(dropped),
    )


def _granted_names(
    asked: Sequence[Name], policy: Policy, profile: Profile, client: str | None
) -> tuple[tuple[Name, ...], list[str]]:
    """Those of the names asked for that may be certified, and a line for each that may not."""
    own = DnsName(client) if client else None
    if not asked and own and profile.name == "client":
        return (own,), []
    if len(asked) > MAX_NAMES:
        return (), []
    by_itself = DnsName(_STAND_IN) in policy.personal.exact
    personal: Patterns | None = None
    granted: dict[Name, None] = {}
    refused = []
    for name in asked:
        if by_itself and name == own:  # what nearly every client asks for
            granted[name] = None
            continue
        if personal is None:
            personal = policy.personal.for_client(client) if client else _NONE
        normal = _normal(name)
        if normal is None:
            refused.append(f"{str(name)[:80]!r} is not a name for a certificate")
        elif policy.shared.cover(normal) or personal.cover(normal):
            granted[normal] = None
        else:
            refused.append(f"the name {str(name)[:80]!r} is not allowed")
    return tuple(granted), refused


def _misfits(names: Sequence[Name], profile: Profile) -> Iterator[str]:
    """Names that no certificate of the profile carries, whoever asks."""
    if not names:
        yield "it names nothing that could be certified"
    elif len(names) > MAX_NAMES:
        yield f"it asks for {len(names)} names, and a certificate carries {MAX_NAMES}"
    elif profile.name == "client":
        for name in names:
            if isinstance(name, DnsName) and "*" in name.value:
                yield f"a client's certificate names one client, not the wildcard {name.value[:80]!r}"


def _normal(name: Name) -> Name | None:
    """The name as ``parse_name`` gives it, or ``None`` where that would not."""
    if isinstance(name, IpName):
        return name
    if isinstance(name, DnsName) and len(name.value) <= 253 and _PLAIN_DNS.fullmatch(name.value):
        return name  # as nearly every DNS name is; IDNA would cost more than the rest of the judgement
    try:
        parsed = parse_name(name.value)
    except InvalidName:
        return None
    return parsed if type(parsed) is type(name) else None


def _other_names(asked: Sequence[Name], granted: set[Name]) -> Iterator[str]:
    for name in asked[:MAX_NAMES]:
        if name not in granted and _normal(name) not in granted:
            yield f"name {str(name)[:80]!r}"
    if len(asked) > MAX_NAMES:
        yield f"and {len(asked) - MAX_NAMES} more names"


def _other_purposes(asked: Sequence[ObjectIdentifier], profile: Profile) -> Iterator[str]:
    for purpose in asked[:MAX_EXTRAS]:
        if purpose != profile.purpose:
            yield f"purpose {_PURPOSES.get(purpose, purpose.dotted_string)}"
    if len(asked) > MAX_EXTRAS:
        yield f"and {len(asked) - MAX_EXTRAS} more purposes"


def _key_violations(key: PublicKey, policy: Policy) -> Iterator[str]:
    try:
        kind = _kind(accepted_public_key(key))
    except UnreadableKey as error:
        yield error.message
    else:
        if kind not in policy.keys:
            yield f"{describe_key(key)} keys are not allowed; {', '.join(policy.keys)} are"
        elif isinstance(key, rsa.RSAPublicKey) and key.key_size < policy.keys[kind]:
            yield f"an RSA key of {key.key_size} bits is too small, {policy.keys[kind]} are the least"
    if isinstance(key, rsa.RSAPublicKey):
        yield from rsa_weaknesses(key)


def _kind(key: PublicKey) -> str:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"p{key.key_size}"
    return "rsa" if isinstance(key, rsa.RSAPublicKey) else "ed25519"


def _names_setting(value: object, mistakes: list[str]) -> dict[str, Any]:
    if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):
        mistakes.append("'names' must be a list of texts")
        return {}
    shared: list[tuple[str, Any]] = []
    personal: list[tuple[str, Any]] = []
    for text in value:
        try:
            if _CLIENT in text:
                personal.append(_compiled(text.replace(_CLIENT, _STAND_IN)))
            else:
                shared.append(_compiled(text))
        except InvalidName as error:
            mistakes.append(f"'names': {text[:80]!r} is not a pattern: {error.message.rpartition(': ')[2]}")
        except ValueError as error:
            mistakes.append(f"'names': {text[:80]!r} is not a pattern: {error}")
    return {"names": tuple(value), "shared": Patterns.of(shared), "personal": Patterns.of(personal)}


def _compiled(text: str) -> tuple[str, Any]:
    """The pattern's form, which is a field of ``Patterns``, and what is compared."""
    if text.startswith("@"):
        return "mailboxes", str(parse_name(f"anyone{text}"))[len("anyone") :]
    before, star, after = text.partition("*")
    urn = text[:4].lower() == "urn:"
    if not star:
        if "/" in text and "://" not in text and not urn:
            return "networks", ipaddress.ip_network(text)
        return "exact", parse_name(text)
    if not before and after.startswith("."):
        base = parse_name(after[1:])
        if isinstance(base, DnsName) and "*" not in base.value:
            return "dns", f".{base.value}"
    # Up to the slash, so that what follows is no part of the host: https://acme.example:x@evil.example/
    elif not after and before.endswith(":" if urn else "/") and not set(before) & {"?", "#"}:
        parse_name(f"{before}x")
        return "uris", before
    raise ValueError("'*' stands in front of a domain, as in *.acme.example, or behind a URI's last slash")


def _keys_setting(value: object, mistakes: list[str]) -> Mapping[str, int]:
    if not isinstance(value, list | tuple) or not value:
        mistakes.append("'keys' must be a list of p256, p384, ed25519, rsa or rsa3072")
        return _ALL_KEYS
    kinds: dict[str, int] = {}
    for text in value:
        rsa_kind = _RSA_KIND.fullmatch(text) if isinstance(text, str) else None
        kind, bits = ("rsa", int(rsa_kind[1] or MIN_RSA_BITS)) if rsa_kind else (str(text), 0)
        if kind not in _ALL_KEYS:
            mistakes.append(f"'keys': {kind[:40]!r} is none of p256, p384, ed25519, rsa and rsa3072")
        elif rsa_kind and not MIN_RSA_BITS <= bits <= MAX_RSA_BITS:
            mistakes.append(f"'keys': {text!r} is not between rsa{MIN_RSA_BITS} and rsa{MAX_RSA_BITS}")
        elif kind in kinds:
            mistakes.append(f"'keys': {kind!r} is there twice")
        kinds[kind] = bits
    return MappingProxyType(kinds)


def _number(key: str, value: object, most: int, mistakes: list[str]) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most:
        return value
    mistakes.append(f"{key!r} must be a whole number from 1 to {most}")
    return 1


CLIENT_POLICY = Policy.parse({"names": [_CLIENT], "max_valid": MAX_VALID})
"""Unless settings say otherwise a client is certified by its own name."""

SERVER_POLICY = Policy()
"""Unless settings say otherwise a server is certified by the names that an operator gives."""

DEFAULT_POLICIES: Mapping[str, Policy] = MappingProxyType({"client": CLIENT_POLICY, "server": SERVER_POLICY})
"""By profile."""
