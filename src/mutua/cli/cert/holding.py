"""What a file is good for, as lines for a person; and fetching what is missing in it."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from mutua.cli.output import day
from mutua.doctor.identities import ChainState, Holding, Holds, chain_state, describe_holding
from mutua.pki.certificates import common_name
from mutua.pki.chain_order import MissingIssuer
from mutua.pki.dn import DistinguishedName
from mutua.pki.thumbprints import x5t_s256

if TYPE_CHECKING:
    from mutua.outbound.intermediates import Attempt

_HOLDS = {
    Holds.IDENTITY: "an identity: a private key with its certificate",
    Holds.IDENTITIES: "several identities, of which this is the newest: load it with its key alone",
    Holds.CERTIFICATE: "a certificate without its private key",
    Holds.MISMATCH: "a private key that is NOT the certificate's",
    Holds.AUTHORITIES: "certificates of CAs: whom to trust, not who one is",
}
_PROBLEMS = {
    "expired": "expired",
    "not_yet_valid": "not valid yet",
    "wrong_purpose": "not for TLS clients (its extended key usage)",
    "wrong_key_usage": "its key may not sign (its key usage)",
    "weak_key": "its key is too weak, or of a kind that is not supported",
}


def summary_of(held: Holding, now: datetime) -> list[tuple[str, str]]:
    """What somebody wants to know before anything else; not escaped yet."""
    leaf, told = held.ordered.chain[0], describe_holding(held, now)
    problems = [str(each) for each in told["problems"]] if isinstance(told["problems"], list) else []
    lines = [("it is", _HOLDS[held.holds]), ("of", str(DistinguishedName.of(leaf.subject)) or "(no subject)")]
    if held.holds is not Holds.AUTHORITIES:
        past = " (PAST)" if now > leaf.not_valid_after_utc else ""
        lines.append(("until", day(leaf.not_valid_after_utc) + past))
        lines.append(("as a client", _client(held, problems)))
    lines.append(("chain", _chain(held)))
    missing = held.missing
    if missing is not None and chain_state(held) is ChainState.INCOMPLETE:
        lines += [("missing", _named(missing)), ("to get it", _remedy(missing))]
    return lines


def fetched(attempts: "Iterable[Attempt]") -> list[tuple[str, str]]:
    """What was asked and came of it, a line for each; not escaped yet."""
    return [
        ("fetched", f"{DistinguishedName.of(each.certificate.subject)} from {each.url}")
        if each.certificate is not None
        else ("not fetched", f"{each.url}: {each.error}")
        for each in attempts
    ]


def fetched_json(attempts: "Iterable[Attempt]") -> list[dict[str, object]]:
    """The same with stable keys."""
    return [
        {
            "url": each.url,
            "subject": str(DistinguishedName.of(each.certificate.subject)) if each.certificate else None,
            "thumbprint": x5t_s256(each.certificate) if each.certificate else None,
            "error": each.error or None,
        }
        for each in attempts
    ]


def _client(held: Holding, problems: list[str]) -> str:
    """Whether it can authenticate one."""
    if problems:
        return f"NO: {', '.join(map(_PROBLEMS.__getitem__, problems))}"
    return "yes" if held.holds in {Holds.IDENTITY, Holds.IDENTITIES} else "yes, with its own private key"


def _chain(held: Holding) -> str:
    above = len(held.ordered.chain) - 1
    links = {0: "no intermediate", 1: "1 intermediate"}.get(above, f"{above} intermediates")
    missing, root = held.missing, held.ordered.root
    if root is held.ordered.chain[0]:
        return "none: it is signed with its own key"
    match chain_state(held):
        case ChainState.COMPLETE:
            return f"complete: {links}, and the root {common_name(root.subject) if root else ''!r}"
        case ChainState.PERHAPS:
            assert missing is not None
            return f"{links}, up to {missing.subject}, which is not in it and need not be if it is the root"
        case ChainState.INCOMPLETE:
            unless = "" if above else ", unless servers trust its issuer itself"
            return f"INCOMPLETE{unless}: {links}"


def _named(missing: MissingIssuer) -> str:
    key = f", key identifier {missing.key_identifier}" if missing.key_identifier else ""
    return f"{missing.subject}{key}: it issued {missing.below}"


def _remedy(missing: MissingIssuer) -> str:
    if missing.urls:
        return "mutua cert inspect FILE --fetch, and mutua cert export FILE --fetch --format pem to keep it"
    return "ask whoever issued the certificate; it does not say where its issuer is"
