"""The child process: django-ca issues what it reads on stdin, times itself, and says so on stdout, a JSON line each."""

import json
import os
import sys
import time
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import django  # type: ignore[import-untyped]
from cryptography import x509
from cryptography.x509.oid import NameOID
from django.core.management import call_command  # type: ignore[import-untyped]
from django.db import connection, transaction  # type: ignore[import-untyped]


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
    django.setup()
    call_command("migrate", verbosity=0)
    authority, options = _make_authority()
    in_one_transaction = sys.argv[1:] == ["--in-one-transaction"]
    _say({"issuer": authority.pub.pem, **_facts()})
    for line in sys.stdin:
        requests = [text.encode() for text in json.loads(line)]
        began = time.perf_counter()
        with transaction.atomic() if in_one_transaction else nullcontext():
            issued = [_issue(authority, options, request) for request in requests]
        seconds = time.perf_counter() - began
        _say({"seconds": seconds, "issued": issued})


def _issue(authority: Any, options: Any, request: bytes) -> str:
    """One request, as django-ca's documentation of its Python API shows it."""
    from django_ca.models import Certificate  # type: ignore[import-not-found]  # noqa: PLC0415

    csr = x509.load_pem_x509_csr(request)
    if not csr.is_signature_valid:  # create_cert() leaves this to its caller
        raise ValueError("the request is not signed with its key")
    names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    certificate = Certificate.objects.create_cert(authority, options, csr, subject=csr.subject, extensions=[names])
    return str(certificate.pub.pem)


def _make_authority() -> tuple[Any, Any]:
    """A root and an issuing CA below it, both with P-256 keys in files; the issuing CA and what its key needs."""
    # Models can be imported once Django is set up.
    from django_ca.key_backends import key_backends  # type: ignore[import-not-found]  # noqa: PLC0415
    from django_ca.key_backends.storages.models import (  # type: ignore[import-not-found]  # noqa: PLC0415
        StoragesCreatePrivateKeyOptions,
        StoragesUsePrivateKeyOptions,
    )
    from django_ca.models import CertificateAuthority  # noqa: PLC0415

    use = StoragesUsePrivateKeyOptions(password=None)
    create = StoragesCreatePrivateKeyOptions(key_type="EC", password=None, path=Path("ca"), elliptic_curve="secp256r1")
    made = None
    for depth, name in enumerate(("Root CA", "Issuing CA")):
        made = CertificateAuthority.objects.init(
            name=name,
            key_backend=key_backends["default"],
            key_backend_options=create,
            subject=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
            not_after=datetime.now(tz=UTC) + timedelta(days=1825),
            parent=made,
            use_parent_private_key_options=use if made else None,
            path_length=1 - depth,
            key_type="EC",
        )
    return made, use


def _facts() -> dict[str, str]:
    """What decides how durable a commit is, asked of the open connection."""
    with connection.cursor() as cursor:
        journal = cursor.execute("PRAGMA journal_mode").fetchone()[0]
        synchronous = cursor.execute("PRAGMA synchronous").fetchone()[0]
    return {"journal_mode": str(journal), "synchronous": str(synchronous)}


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
