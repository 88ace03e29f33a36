"""A Secret of Kubernetes with a certificate and its key, as ingress controllers and meshes take it."""

import json
import re
from base64 import b64encode
from collections.abc import Sequence

from cryptography import x509

from mutua.errors import InvalidInput
from mutua.pki.certificates import write_pem
from mutua.pki.keys import PrivateKey, write_private_key

MAX_SECRET_NAME = 253
"""Kubernetes: "Object Names and IDs", DNS subdomain names."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def write_tls_secret(
    name: str, key: PrivateKey, chain: Sequence[x509.Certificate], ca: Sequence[x509.Certificate] = ()
) -> bytes:
    """A manifest of type ``kubernetes.io/tls``, in YAML, for ``kubectl apply -f``.

    Every value is written as a JSON string, which YAML 1.2 takes as it is.

    Args:
        name: of the Secret: lower-case letters, digits, hyphens and dots.
        key: becomes ``tls.key``, not encrypted: Kubernetes knows no other.
        chain: its certificate and the CAs' above it, in order: ``tls.crt``.
        ca: whom to believe: ``ca.crt``; left out when empty.

    Raises:
        InvalidInput: a Secret cannot have that name.
    """
    if len(name) > MAX_SECRET_NAME or not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{name[:80]!r} cannot name a Secret of Kubernetes",
            hint="give --name with lower-case letters, digits, hyphens and dots",
        )
    data = {"tls.crt": write_pem(chain), "tls.key": write_private_key(key)}
    if ca:
        data["ca.crt"] = write_pem(ca)
    lines = [
        "apiVersion: v1",
        "kind: Secret",
        "type: kubernetes.io/tls",
        "metadata:",
        f"  name: {json.dumps(name)}",
        "data:",
        *(f"  {entry}: {json.dumps(b64encode(value).decode())}" for entry, value in data.items()),
    ]
    return "\n".join([*lines, ""]).encode()
