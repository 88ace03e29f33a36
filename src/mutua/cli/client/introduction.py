"""What a partner hands over, as options: a certificate, a key, or a CA and one name."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from mutua.errors import InvalidInput
from mutua.home.home import Home
from mutua.pki.certificates import MAX_BUNDLE_BYTES, read_certificates
from mutua.registry.credentials import Form, StalePolicy
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
    crls: Sequence[str] = (),
    stale_crl: str = StalePolicy.REFUSE.value,
    **names: str | None,
) -> Introduction:
    """What the options say.

    Raises:
        InvalidInput: not exactly one way was given. InvalidCredential: nobody can be known by that.
        InvalidAddress: a CRL cannot be fetched there.
    """
    given = [(NAME_OPTIONS[option][0], text) for option, text in names.items() if text is not None]
    ways = sum(each is not None for each in (cert, spki, ca))
    if ways != 1 or len(given) != (0 if ca is None else 1):
        raise InvalidInput(
            "a client is known by one thing: --cert FILE, --spki FILE, or --ca FILE with exactly one name",
            hint="--ca partner-ca.pem --san-dns api.partner.example",
        )
    path = cert or spki or ca
    assert path is not None
    brought = read_certificates(read_file(path, MAX_BUNDLE_BYTES))
    if cert is not None:
        known = by_certificate(brought, now=home.now())
    elif spki is not None:
        known = by_key(brought)
    else:
        known = by_subject(brought, *given[0], now=home.now())
    return with_crls(known, brought, urls=crls, stale=StalePolicy(stale_crl))
