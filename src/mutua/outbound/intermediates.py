"""Fetches the certificates that are missing above a chain, from where the certificates say they are. Only when asked.

The addresses are those of AuthorityInformationAccess (RFC 5280 section 4.2.2.1). What comes from there is believed only
as far as its key verifies the certificate below, so that plain http will do: nobody is trusted for having sent it.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from cryptography import x509

from mutua.errors import InvalidAddress, MutuaError, NetworkError
from mutua.home.addresses import Resolve, addresses_of
from mutua.home.fetching import Fetcher
from mutua.pki.certificates import issued_by, may_sign
from mutua.pki.chain_order import is_self_signed, issuer_urls, missing_issuer
from mutua.pki.chains import MAX_DEPTH, MAX_GIVEN, MAX_SIGNATURE_CHECKS, is_costly
from mutua.pki.contents import CertificateContent, Pkcs7Content, read_contents
from mutua.pki.unwrapping import unwrapped
from mutua.registry.foreign_crls import accepted_url
from mutua.tls.identity import Identity

MAX_ANSWER_BYTES = 256 * 1024
"""One certificate has up to 100 KiB; a .p7c of a whole hierarchy, as of government CAs, takes under 64 KiB."""

TOTAL_SECONDS = 20.0
"""For a whole chain: somebody waits for it at a terminal."""

MAX_SHOWN_URL = 200
"""Characters of an address in a message; real ones have under 100."""

_PRIVATE_HINT = "if that is meant: --allow-private, or allow_private=True"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One address that was asked.

    Attributes:
        url: where.
        certificate: what was found there, and issued the certificate below it; ``None`` where nothing was.
        error: what was wrong, one line, or nothing.
    """

    url: str
    certificate: x509.Certificate | None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What became of a chain.

    Attributes:
        chain: leaf first, without the root; as long as before where nothing was found.
        root: the self-signed certificate that it ends at, where it was there or has been found.
        attempts: in their order.
    """

    chain: tuple[x509.Certificate, ...]
    root: x509.Certificate | None
    attempts: tuple[Attempt, ...]


def complete(
    identity: Identity, *, allow_private: bool = False, seconds: float = TOTAL_SECONDS, resolve: Resolve = addresses_of
) -> Identity:
    """Fetch the certificates that are missing above an identity's chain.

    A root that cannot be fetched is no error, for nobody sends it: ``missing_issuer`` of the result then still names
    it. The work is done on the calling thread and may take all of its time; do it when an identity is set up.

    Args:
        identity: what was loaded.
        allow_private: whether addresses within one's own networks may be called: a certificate names whom to call,
            and whoever made it may mean your router.
        seconds: for all of it.
        resolve: what knows the addresses of names.

    Raises:
        NetworkError: the leaf's issuer is not to be had, from any address that the leaf names; or it names none.
    """
    done = complete_chain(identity.chain, identity.root, allow_private=allow_private, seconds=seconds, resolve=resolve)
    require_intermediates(done)
    return Identity(identity.key, done.chain, done.root)


def complete_chain(
    chain: Sequence[x509.Certificate],
    root: x509.Certificate | None = None,
    *,
    allow_private: bool = False,
    seconds: float = TOTAL_SECONDS,
    resolve: Resolve = addresses_of,
) -> Completion:
    """As ``complete``, for a chain without its key; what cannot be fetched stands among the attempts."""
    fetcher = Fetcher(
        max_bytes=MAX_ANSWER_BYTES, allow_private=allow_private, resolve=resolve, private_hint=_PRIVATE_HINT
    )
    deadline = time.monotonic() + seconds
    links, attempts = list(chain), list[Attempt]()
    while missing_issuer(links, root) is not None and len(links) < MAX_DEPTH:
        found = None
        for url in issuer_urls(links[-1]):
            attempt = _attempt(replace(fetcher, total_seconds=deadline - time.monotonic()), url, links)
            attempts.append(attempt)
            if found := attempt.certificate:
                break
        if found is None:
            break
        if is_self_signed(found):
            root = found
        else:
            links.append(found)
    return Completion(chain=tuple(links), root=root, attempts=tuple(attempts))


def require_intermediates(done: Completion) -> None:
    """Be content with what became of a chain, or not.

    Raises:
        NetworkError: its leaf stands alone.
    """
    missing = missing_issuer(done.chain, done.root)
    if missing is not None and not missing.perhaps_root:
        why = "; ".join(f"{_shown(each.url)}: {each.error}" for each in done.attempts)
        raise NetworkError(
            f"the issuer {missing.subject!r} cannot be fetched: {why or 'the certificate names no address'}",
            hint="ask whoever issued the certificate for the whole chain",
        )


def _shown(url: str) -> str:
    """An address for a message: it is the certificate's, and may be anything, of any length."""
    return ascii(url[:MAX_SHOWN_URL])[1:-1]


def _attempt(fetcher: Fetcher, url: str, chain: Sequence[x509.Certificate]) -> Attempt:
    try:
        accepted_url(url)
        found = _certificates(fetcher(url))
        return Attempt(url=url, certificate=_issuer(found, chain))
    except (NetworkError, InvalidAddress) as error:
        hint = f" ({error.hint})" if error.hint == _PRIVATE_HINT else ""
        return Attempt(url=url, certificate=None, error=error.message + hint)


def _certificates(data: bytes) -> list[x509.Certificate]:
    """What an address should hold: DER, or PKCS#7 of certificates alone; PEM is found there as well."""
    try:
        contents = read_contents(unwrapped(data))
    except MutuaError as error:
        raise NetworkError(f"what is there is no certificate: {error.message}") from None
    found: list[x509.Certificate] = []
    for content in contents:
        match content:
            case CertificateContent():
                found.append(content.certificate)
            case Pkcs7Content():
                found += content.certificates
    return found[:MAX_GIVEN]


def _issuer(found: Iterable[x509.Certificate], chain: Sequence[x509.Certificate]) -> x509.Certificate:
    """The one that issued the last of the chain; of several the self-signed one, and of those the newest.

    Raises:
        NetworkError: none did, or it is in the chain already.
    """
    below = chain[-1]
    named = [each for each in found if each.subject == below.issuer and may_sign(each) and each not in chain]
    named.sort(key=lambda each: (each.subject == each.issuer, each.not_valid_before_utc), reverse=True)
    for each in named[:MAX_SIGNATURE_CHECKS]:
        if not is_costly(each.public_key()) and issued_by(below, each):
            return each
    raise NetworkError("what is there did not issue the certificate")
