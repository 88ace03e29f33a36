"""``mutua cert verify``."""

import ssl
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import click
from cryptography import x509

from mutua.ca.hierarchy import Purpose
from mutua.cli.exits import ExitCode
from mutua.cli.options import json_option
from mutua.cli.output import data, day, facts, json_data, printable, table
from mutua.doctor.certificates import Question, Verdict, examine
from mutua.errors import InvalidInput, InvalidName, UnknownCertificate, UnreadableCertificate
from mutua.home.home import DEFAULT_FOLDER, Home
from mutua.home.identities import Identities
from mutua.home.settings import SETTINGS_FILE
from mutua.pki.certificates import MAX_BUNDLE_BYTES, common_name, names_of, read_certificates
from mutua.pki.crl import MAX_CRL_BYTES, RevocationReason, read_crl
from mutua.pki.dn import DistinguishedName
from mutua.pki.foreign import parsing
from mutua.pki.names import DnsName, Name, parse_name
from mutua.pki.pem import looks_like_pem, pem_blocks
from mutua.pki.pkcs7 import looks_like_pkcs7, read_pkcs7
from mutua.pki.pkcs12 import looks_like_pkcs12
from mutua.pki.thumbprints import x5t_s256
from mutua.tls.files import read_file
from mutua.tls.identity import CHAIN_FILE
from mutua.tls.trust import Trust


@click.command()
@click.argument("file", metavar="FILE|IDENTITY")
@click.option(
    "--trust",
    metavar="home|system|FILE",
    help="Where a path may end: at the home's CAs, the system's, or those of a bundle. "
    "When not given: the home's if there is one here, otherwise the system's.",
)
@click.option(
    "--purpose",
    type=click.Choice([each.value for each in Purpose]),
    help="What it is used for; server when not given and --name is, otherwise any.",
)
@click.option("--name", "names", multiple=True, metavar="NAME", help="A name that it must carry; may be repeated.")
@click.option("--crl", "crls", multiple=True, metavar="FILE", help="A CRL, PEM or DER; may be repeated.")
@click.option("--at", metavar="TIME", help="Judge it for this time, such as 2026-12-24T18:00Z; now when not given.")
@click.option("--home", "folder", metavar="DIR", envvar="MUTUA_HOME", help="The home; ./.mutua when not given.")
@json_option
def verify(
    file: str,
    trust: str | None,
    purpose: str | None,
    names: tuple[str, ...],
    crls: tuple[str, ...],
    at: str | None,
    folder: str | None,
    *,
    as_json: bool,
) -> int:
    """Verify a certificate with its chain, and list everything that is wrong.

    FILE is PEM, DER or PKCS#7, the chain in any order; or the name of an identity of the home. With --crl each
    certificate below the root must be covered: by a CRL, or, below the home's own CAs, by the home's inventory.

    Exits with 0 when it is valid and with 1 when it is not.

    \b
    Examples:
      mutua cert verify chain.pem --trust bank-ca.pem --purpose client
      mutua cert verify chain.pem --trust system --name api.bank.example
      mutua cert verify woovi
      mutua cert verify partner.p7b --trust ca.pem --crl root.crl --crl issuing.crl --at 2026-12-24
    """
    place = Path(folder or DEFAULT_FOLDER)
    certificates = _certificates(Identities(place / "identities").find(file))
    is_home = trust == "home" or (trust is None and (folder is not None or (place / SETTINGS_FILE).is_file()))
    now, wanted = _moment(at), tuple(_name(each) for each in names)
    lists = tuple(read_crl(read_file(Path(each), MAX_CRL_BYTES)) for each in crls)
    asked = Purpose(purpose) if purpose else Purpose.SERVER if wanted else Purpose.ANY
    question = Question(now=now, purpose=asked, names=wanted, crls=lists)
    if is_home:
        with Home.open(place) as home:
            roots = home.trust.anchors
            inventory = _inventory(home, {*certificates, *roots})
        whom = f"the CAs of the home '{place}'"
        question = replace(question, authorities=frozenset(roots), inventory=inventory)
    elif trust in {None, "system"}:
        roots, whom = _system(), "the system's CAs"
    else:
        roots, whom = Trust.load(str(trust)).anchors, str(trust)
    verdict = examine(certificates, roots, question)
    if as_json:
        json_data(_as_json(verdict, question, whom))
    else:
        _tell(verdict, question, whom)
    return ExitCode.OK if verdict.valid else ExitCode.NEGATIVE


def _certificates(path: Path) -> tuple[x509.Certificate, ...]:
    """The certificates of a file, or of an identity's folder. Keys beside them are passed over, encrypted ones too."""
    content = read_file(path / CHAIN_FILE if path.is_dir() else path, MAX_BUNDLE_BYTES)
    if looks_like_pkcs12(content):
        hint = "unpack it first: mutua cert export FILE --format pem"
        raise UnreadableCertificate(f"'{path}' is a PKCS#12 file", hint=hint)
    ders = [block.der for block in pem_blocks(content)] if looks_like_pem(content) else [content]
    bags = [der for der in ders if looks_like_pkcs7(der)]
    return tuple(chain.from_iterable(map(read_pkcs7, bags))) if bags else read_certificates(content)


def _inventory(home: Home, certificates: Iterable[x509.Certificate]) -> dict[str, str]:
    """What the home records of these certificates: the empty text for what is neither revoked nor on hold."""
    found = {}
    for thumbprint in map(x5t_s256, certificates):
        with suppress(UnknownCertificate):
            record = home.authority.certificate(thumbprint)
            held = "on_hold" if record.reason == RevocationReason.CERTIFICATE_HOLD else "revoked"
            found[thumbprint] = held if record.revoked_at is not None else ""
    return found


def _moment(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        hint = "write it as 2026-12-24, or 2026-12-24T18:00Z; without a zone it is UTC"
        raise InvalidInput(f"{text[:80]!r} is not a time", hint=hint) from None


def _name(text: str) -> Name:
    name = parse_name(text)
    if isinstance(name, DnsName) and name.value.startswith("*."):
        raise InvalidName(f"{text!r} is a pattern, not a name", hint=f"give a name that it covers: api{name.value[1:]}")
    return name


def _system() -> tuple[x509.Certificate, ...]:
    """The system's CAs, from its bundle, or where it has none from its folder; those we cannot read trust nobody."""
    sources = ssl.create_default_context().get_ca_certs(binary_form=True)
    folder = ssl.get_default_verify_paths().capath
    if not sources and folder:
        sources = [read_file(each, MAX_BUNDLE_BYTES) for each in sorted(Path(folder).glob("*.[0-9]")) if each.is_file()]
    found: list[x509.Certificate] = []
    for source in sources:
        with suppress(UnreadableCertificate):
            found += read_certificates(source)
    return tuple(found)


def _tell(verdict: Verdict, question: Question, whom: str) -> None:
    errors = [finding for finding in verdict.findings if not finding.is_warning]
    data("valid" if not errors else f"not valid: {len(errors)} finding{'s' * (len(errors) > 1)}")
    data()
    facts(
        [
            ("purpose", question.purpose.value),
            ("names", ", ".join(map(str, question.names)) or "-"),
            ("at", day(question.now)),
            ("trust", whom),
        ]
    )
    data()
    table(
        ["CERTIFICATE", "UNTIL", "REVOCATION CHECKED AGAINST"],
        [
            (_called(certificate), day(certificate.not_valid_after_utc), "; ".join(asked) or _unasked(certificate))
            for certificate, asked in zip(verdict.path, verdict.revocation, strict=True)
        ],
    )
    for finding in verdict.findings:
        data()
        data(f"{'warning: ' * finding.is_warning}{finding.code}: {printable(finding.summary)}")
        data(f"  certificate  {printable(_called(finding.certificate))}, {x5t_s256(finding.certificate)}")
        data(f"  cause        {printable(finding.cause)}")
        data(f"  remedy       {printable(finding.remedy)}")


def _unasked(certificate: x509.Certificate) -> str:
    return "- (a root is not revoked but removed)" if certificate.subject == certificate.issuer else "nothing"


def _called(certificate: x509.Certificate) -> str:
    return common_name(certificate.subject) or ", ".join(map(str, names_of(certificate)[:3])) or "no name"


def _as_json(verdict: Verdict, question: Question, whom: str) -> dict[str, object]:
    return {
        "valid": verdict.valid,
        "purpose": question.purpose.value,
        "names": [str(name) for name in question.names],
        "at": question.now,
        "trust": whom,
        "path": [
            {
                **_identified(certificate),
                "issuer": str(DistinguishedName.of(certificate.issuer)),
                "not_before": certificate.not_valid_before_utc,
                "not_after": certificate.not_valid_after_utc,
                "revocation": list(asked),
            }
            for certificate, asked in zip(verdict.path, verdict.revocation, strict=True)
        ],
        "findings": [
            {
                "code": finding.code,
                "warning": finding.is_warning,
                "certificate": _identified(finding.certificate),
                "summary": finding.summary,
                "cause": finding.cause,
                "remedy": finding.remedy,
            }
            for finding in verdict.findings
        ],
    }


def _identified(certificate: x509.Certificate) -> dict[str, object]:
    with parsing(UnreadableCertificate("not a readable certificate")):
        serial = certificate.serial_number  # it warns where RFC 5280 forbids the number
    return {
        "subject": str(DistinguishedName.of(certificate.subject)),
        "serial": f"{serial:032x}",
        "thumbprint": x5t_s256(certificate),
    }
