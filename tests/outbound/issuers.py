"""A leaf, and web servers that have the certificates above it, as its AuthorityInformationAccess says."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import AuthorityInformationAccessOID

from mutua.pki.certificates import write_der
from tests.home.crl_server import CrlServer, body, serving
from tests.pki.hierarchy import NOW, key_of

KEY = key_of("end entity")


def named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def certify(
    name: str, issuer: str, *urls: str, ca: bool = True, by: ec.EllipticCurvePrivateKey | None = None
) -> x509.Certificate:
    """A certificate that says where its issuer's is; every key is the same one unless ``by`` signs."""
    builder = x509.CertificateBuilder(
        named(issuer), named(name), KEY.public_key(), x509.random_serial_number(), NOW, NOW + timedelta(days=9)
    ).add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    if urls:
        access = [
            x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(url))
            for url in urls
        ]
        builder = builder.add_extension(x509.AuthorityInformationAccess(access), critical=False)
    return builder.sign(by or KEY, SHA256())


@dataclass
class Line:
    """A leaf, and web servers that have what is above it."""

    leaf: x509.Certificate
    issuing: x509.Certificate
    root: x509.Certificate
    below: CrlServer
    above: CrlServer


@contextmanager
def line() -> Iterator[Line]:
    with ExitStack() as stack:
        below, above = (stack.enter_context(serving(body(b""))) for _ in range(2))
        root = certify("root", "root")
        issuing = certify("issuing", "root", above.url("/root.cer"))
        leaf = certify("leaf", "issuing", below.url("/issuing.cer"), ca=False)
        below.answer, above.answer = body(write_der(issuing)), body(write_der(root))
        yield Line(leaf, issuing, root, below, above)
