"""What a partner hands over or was refused with, as options: a certificate, a key, or a CA and one name."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from cryptography import x509

from mutua.cli.client.refused import Refused
from mutua.errors import InvalidCredential, InvalidInput
from mutua.home.home import Home
from mutua.pki.certificates import MAX_BUNDLE_BYTES, issued_by, read_certificates
from mutua.registry.credentials import Form, StalePolicy, names_to_match
from mutua.registry.foreign_crls import with_crls
from mutua.registry.partners import Introduction, by_certificate, by_key, by_subject
from mutua.tls.files import read_file

F = TypeVar("F", bound=Callable[..., Any])

NAME_OPTIONS = {
    "subject_dn": (Form.DN, "The whole distinguished name, as RFC 4514 writes it."),
    "san_dns": (Form.DNS, "A DNS name among its SubjectAltNames."),
    "san_uri": (Form.URI, "A URI among them."),
    "san_ip": (Form.IP, "An IP address among them."),
    "san_email": (Form.EMAIL, "An e-mail address among them."),
}


def introduction_options(function: F) -> F:
    """The options, given to the command by their names."""
    for decorate in (
        click.option(
            "--stale-crl",
            type=click.Choice([policy.value for policy in StalePolicy]),
            default=StalePolicy.REFUSE.value,
            show_default=True,
            help="What becomes of its clients while a CRL of its CA has ended or was never fetched.",
        ),
        click.option(
            "--crl",
            "crls",
            multiple=True,
            metavar="URL",
            help="Where the CRL of its CA is, besides those that the certificates name; may be repeated.",
        ),
    ):
        function = decorate(function)
    for name, (_, text) in reversed(NAME_OPTIONS.items()):
        option = f"--{name.replace('_', '-')}"
        function = click.option(option, name, metavar="NAME", help=f"With --ca: {text}")(function)
    for decorate in (
        click.option("--by-key", is_flag=True, help="With --refused: any certificate with its key."),
        click.option(
            "--refused", metavar="ID", help="The certificate of this refusal; 'mutua gate refusals' has the IDs."
        ),
    ):
        function = decorate(function)
    path = click.Path(path_type=Path, dir_okay=False)
    for option, text in (
        ("ca", "The CA that its certificates come from, known by its key; then CAs below it, if it has any."),
        ("spki", "A certificate whose key is what counts, however often it is renewed with it."),
        ("cert", "Exactly this certificate; CAs above it may stand behind it."),
    ):
        function = click.option(f"--{option}", option, type=path, metavar="FILE", help=text)(function)
    return function


def introduced(
    home: Home,
    cert: Path | None,
    spki: Path | None,
    ca: Path | None,
    *,
    refused: Refused | None = None,
    by_key_alone: bool = False,
    crls: Sequence[str] = (),
    stale_crl: str = StalePolicy.REFUSE.value,
    **names: str | None,
) -> Introduction:
    """What the options say.

    Args:
        home: whose clock counts.
        cert: the file with a certificate that counts.
        spki: the file with a certificate whose key counts.
        ca: the file with the CA; also the one that has signed what was refused.
        refused: what was refused, in place of a file.
        by_key_alone: whether its key counts, whatever the certificate.
        crls: where CRLs are.
        stale_crl: what becomes of the client while one of them is stale.
        names: by the options' names.

    Raises:
        InvalidInput: not exactly one way was given. InvalidCredential: nobody can be known by that.
        InvalidAddress: a CRL cannot be fetched there.
    """
    given = [(NAME_OPTIONS[option][0], text) for option, text in names.items() if text is not None]
    ways = sum(each is not None for each in (cert, spki, ca, refused if ca is None else None))
    misplaced = by_key_alone and (refused is None or ca is not None)
    if ways != 1 or len(given) != (0 if ca is None else 1) or misplaced:
        raise InvalidInput(
            "a client is known by one thing: --cert FILE, --spki FILE, --refused ID with or without --by-key, "
            "or --ca FILE with exactly one name",
            hint="--ca partner-ca.pem --san-dns api.partner.example",
        )
    path = cert or spki or ca
    brought = read_certificates(read_file(path, MAX_BUNDLE_BYTES)) if path is not None else ()
    if ca is not None:
        known = by_subject(brought, *given[0], now=home.now())
        if refused is not None:
            _require_match(known, brought, refused.certificate)
    if refused is not None:
        brought = (*brought, refused.certificate)
    if ca is None:
        known = by_key(brought) if spki is not None or by_key_alone else by_certificate(brought, now=home.now())
    return with_crls(known, brought, urls=crls, stale=StalePolicy(stale_crl))


def _require_match(known: Introduction, brought: Sequence[x509.Certificate], shown: x509.Certificate) -> None:
    """What was refused must be what will be let in."""
    credential = known.credential
    if (credential.form, credential.match_key) not in names_to_match(shown):
        raise InvalidCredential(
            f"the certificate that was refused has no {credential.form.value} {credential.value[:80]}",
            hint="see what it has: mutua client trust NAME --refused ID --dry-run",
        )
    if not any(issued_by(shown, each) for each in brought):
        raise InvalidCredential(
            "the certificate that was refused is from none of these CAs",
            hint="ask the partner for the CA that signed it, and put it into the file too",
        )
