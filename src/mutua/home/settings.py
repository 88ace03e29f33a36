"""Settings: ``mutua.toml``, few and checked."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mutua.ca.policy import DEFAULT_POLICIES, Policy
from mutua.ca.revocation import accepted_base
from mutua.errors import InvalidAddress, InvalidInput, InvalidName, InvalidSettings
from mutua.home.fetching_settings import FetchingSettings, read_fetching
from mutua.home.forwarded import ForwardedSettings, read_forwarded
from mutua.home.public import read_public
from mutua.registry.grants import Grant
from mutua.registry.invitations import accepted_est_url
from mutua.tls.files import read_file

SETTINGS_FILE = "mutua.toml"
MAX_SETTINGS_BYTES = 64 * 1024

MAX_ORGANIZATION = 64
"""ub-organization-name of RFC 5280 appendix A.1."""

MAX_SHARDS = 65_536

_TEMPLATE = """\
# Settings of this mutua home. Keys and passphrases never belong here.

# Whose authority this is: the organization in its CA certificates.
name = {name}

# How long, in seconds, a running server goes on with what it knows when it loses the store.
# After that it refuses every request with the reason stale_registry.
max_stale = 300

# What anybody may call without a certificate, and every known client without a grant: see docs/public-paths.md.
# public = ["GET /healthz"]
"""

_REVOCATION = """
# Where `mutua ca serve` can be reached. Certificates name it for their CRL, their issuer and OCSP.
# revocation_url = "http://pki.acme.example"

# Where `mutua ca serve --est` can be reached. Invitations name it: see docs/est.md.
# est_url = "https://pki.acme.example:8443"

# How many days a CRL is good for; a new one is made at half of that, and on every revocation.
# crl_days = 7

# Into how many parts each CA's CRL is cut, for a million certificates and more. Set it before the first certificate.
# crl_shards = 1

# How many days a renewed certificate may be renewed again while its successor has not been seen in use, and whether it
# is revoked after that. If not, it goes on working until its own end.
# renewal_grace_days = 7
# revoke_superseded = false

# Who may be given what by `mutua cert sign`: see docs/requests.md.
# [policy.client]
# names = ["{client}", "*.{client}.partners.acme.example"]
# max_days = 90
# max_valid = 16

# How the CRLs of partners' CAs are fetched: see docs/foreign-revocation.md.
# [foreign_crls]
# refresh_minutes = 60
# allow_private = false

# A proxy in front that ends TLS and forwards client certificates in headers: see docs/proxies.md.
# [forwarded]
# dialect = "nginx"
# unix_socket = true
"""


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """Where CA keys are made when they are kept in a token.

    Attributes:
        module: the PKCS#11 library.
        token: the token's label.
    """

    module: Path
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What ``mutua.toml`` says.

    Attributes:
        name: the organization, 1 to 64 characters.
        max_stale: seconds a gate goes on without its store, 1 to 86,400.
        store: the URL of a PostgreSQL database; ``None`` for ``store.db`` in the home.
        pkcs11: the token that holds the CA keys; ``None`` for keys sealed in the store.
        revocation_url: the base address of CRLs, issuers and OCSP; ``None`` while none is published.
        est_url: the base of the EST server that invitations name; ``None`` while there is none.
        crl_life: from a CRL's this-update to its next-update.
        crl_shards: how many parts a CA's CRL has, 1 to 65,536.
        renewal_grace: how long a superseded certificate may be renewed once more.
        revoke_superseded: whether it is revoked afterwards.
        policies: who may be given what, by profile.
        foreign_crls: how the CRLs of partners' CAs are fetched.
        forwarded: which proxy may say who the client is; ``None`` for none.
        public: what may be called without a certificate.
    """

    name: str
    max_stale: int = 300
    store: str | None = field(default=None, repr=False)  # there may be a password in it
    pkcs11: TokenSettings | None = None
    revocation_url: str | None = None
    est_url: str | None = None
    crl_life: timedelta = timedelta(days=7)
    crl_shards: int = 1
    renewal_grace: timedelta = timedelta(days=7)
    revoke_superseded: bool = False
    policies: Mapping[str, Policy] = field(default_factory=lambda: DEFAULT_POLICIES)
    foreign_crls: FetchingSettings = field(default_factory=FetchingSettings)
    forwarded: ForwardedSettings | None = None
    public: tuple[Grant, ...] = ()

    def __post_init__(self) -> None:
        if self.crl_shards > 1 and self.revocation_url is None:
            # A part that does not say that it is one would pass for the whole.
            raise ValueError("'crl_shards' needs 'revocation_url': a certificate names its part by its address")


def read_settings(folder: Path) -> Settings:
    """Read and check a home's settings.

    Raises:
        InvalidSettings: not TOML, unknown keys, or values out of range; the message names every one, and none of
            the values, for a password may be among them.
    """
    path = folder / SETTINGS_FILE
    try:
        values = tomllib.loads(read_file(path, MAX_SETTINGS_BYTES).decode())
    except (ValueError, RecursionError) as error:
        raise _invalid(path, str(error)) from None
    mistakes = [f"unknown setting {key[:40]!r}" for key in sorted(values.keys() - _READERS.keys())]
    read: dict[str, Any] = {}
    for key, value in ({"name": None} | values).items():
        if key in _READERS:
            attribute, reader = _READERS[key]
            try:
                read[attribute] = reader(key, value)
            except ValueError as error:
                mistakes.append(str(error))
    if mistakes:
        raise _invalid(path, "; ".join(mistakes))
    try:
        return Settings(**read)
    except ValueError as error:
        raise _invalid(path, str(error)) from None


def settings_text(
    name: str,
    *,
    store: str | None = None,
    token: TokenSettings | None = None,
    revocation_url: str | None = None,
) -> str:
    """A new home's ``mutua.toml``.

    Raises:
        InvalidName: the organization is empty, too long, or not printable.
        InvalidAddress: the store's is none of a PostgreSQL database, or nothing can be published below the other.
        InvalidInput: the token cannot be called so.
    """
    if not _is_organization(name):
        raise InvalidName("an organization's name has 1 to 64 printable characters", hint='such as "Acme Payments"')
    if store is not None and not _is_database(store):
        # Without the text itself: it may have a password.
        raise InvalidAddress("that is not the address of a store", hint="postgresql+psycopg://user@host/database")
    if token is not None and not (token.token and f"{token.module}{token.token}".isprintable()):
        raise InvalidInput(
            "a token's library and label are printable text", hint="list them: softhsm2-util --show-slots"
        )
    text = _TEMPLATE.format(name=_quoted(name))
    if store is not None:
        text += f"\n# The database that every machine of this authority shares.\nstore = {_quoted(store)}\n"
    if token is not None:
        # On one line: what is written below a table would belong to it.
        module, label = _quoted(str(token.module)), _quoted(token.token)
        text += "\n# The CA keys are in this token and never leave it.\n"
        text += f"pkcs11 = {{ module = {module}, token = {label} }}\n"
    if revocation_url is None:
        return text + _REVOCATION
    example = '# revocation_url = "http://pki.acme.example"'
    return text + _REVOCATION.replace(example, f"revocation_url = {_quoted(accepted_base(revocation_url))}")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _organization(key: str, value: object) -> str:
    if not isinstance(value, str) or not _is_organization(value):
        raise ValueError(f"'{key}' must be a text of 1 to {MAX_ORGANIZATION} printable characters")
    return value


def _is_organization(text: str) -> bool:
    return 1 <= len(text) <= MAX_ORGANIZATION and text.isprintable()


def _whole(least: int, most: int, unit: str) -> Callable[[str, object], int]:
    def read(key: str, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError(f"'{key}' must be {least} to {most} {unit}")
        return value

    return read


def _days(most: int) -> Callable[[str, object], timedelta]:
    whole = _whole(1, most, "days")
    return lambda key, value: timedelta(days=whole(key, value))


def _database(key: str, value: object) -> str:
    if not isinstance(value, str) or not _is_database(value):
        raise ValueError(f"'{key}' must be a URL such as postgresql+psycopg://mutua@db.acme.example/mutua")
    return value


def _is_database(text: str) -> bool:
    return text.startswith(("postgresql+psycopg://", "postgresql://")) and text.isprintable()


def _base_url(key: str, value: object) -> str:
    try:
        return accepted_base(value if isinstance(value, str) else "")
    except InvalidAddress:
        raise ValueError(f"'{key}' must be an address such as http://pki.acme.example") from None


def _est_url(key: str, value: object) -> str:
    try:
        return accepted_est_url(value if isinstance(value, str) else "")
    except InvalidAddress:
        raise ValueError(f"'{key}' must be an address such as https://pki.acme.example:8443") from None


def _truth(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"'{key}' must be true or false")  # noqa: TRY004 -- a value in a file
    return value


def _token(key: str, value: object) -> TokenSettings:
    match value:
        case {"module": str(module), "token": str(token), **others} if module and token and not others:
            return TokenSettings(Path(module), token)
    raise ValueError(f"'[{key}]' must have 'module', a path, and 'token', a label")


def _policies(key: str, value: object) -> Mapping[str, Policy]:
    if not isinstance(value, dict):
        raise ValueError(f"'[{key}]' has a table for each of {', '.join(DEFAULT_POLICIES)}")  # noqa: TRY004 -- as above
    given, mistakes = {}, []
    for profile, table in value.items():
        try:
            given[profile] = _policy(key, profile, table)
        except ValueError as error:
            mistakes.append(str(error))
    if mistakes:
        raise ValueError("; ".join(mistakes))
    return MappingProxyType({**DEFAULT_POLICIES, **given})


def _policy(key: str, profile: str, table: object) -> Policy:
    if profile not in DEFAULT_POLICIES:
        raise ValueError(f"there is a '[{key}.NAME]' for {' and '.join(DEFAULT_POLICIES)}, not for {profile[:40]!r}")
    if not isinstance(table, dict):
        raise ValueError(f"'{key}.{profile}' must be a table")  # noqa: TRY004 -- as above
    try:
        return Policy.parse(table, defaults=DEFAULT_POLICIES[profile])
    except InvalidSettings as error:
        raise ValueError(f"'[{key}.{profile}]': {error.message}") from None


_READERS: dict[str, tuple[str, Callable[[str, object], object]]] = {
    "name": ("name", _organization),
    "max_stale": ("max_stale", _whole(1, 86_400, "seconds")),
    "store": ("store", _database),
    "pkcs11": ("pkcs11", _token),
    "revocation_url": ("revocation_url", _base_url),
    "est_url": ("est_url", _est_url),
    "crl_days": ("crl_life", _days(365)),
    "crl_shards": ("crl_shards", _whole(1, MAX_SHARDS, "parts")),
    "renewal_grace_days": ("renewal_grace", _days(90)),
    "revoke_superseded": ("revoke_superseded", _truth),
    "policy": ("policies", _policies),
    "foreign_crls": ("foreign_crls", read_fetching),
    "forwarded": ("forwarded", read_forwarded),
    "public": ("public", read_public),
}


def _invalid(path: Path, why: str) -> InvalidSettings:
    return InvalidSettings(f"'{path}' cannot be understood: {why}", hint=f"edit '{path}'")
