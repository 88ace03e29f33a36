"""Certificate signing requests (PKCS#10, RFC 2986): reading what others ask for, and writing our own.

Only what a certificate of ours can hold is taken from a request: its key, its common name, its names and the purposes.
Everything else it asks for is kept as ``extras``, one line each, so that it can be said that it was left out.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from math import isqrt
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AttributeOID, ExtensionOID, NameOID, ObjectIdentifier, SignatureAlgorithmOID

from mutua.errors import UnreadableRequest
from mutua.pki.der import is_der
from mutua.pki.draft import MAX_COMMON_NAME, distinguished_name
from mutua.pki.foreign import MALFORMED, parsing
from mutua.pki.keys import MAX_RSA_BITS, PrivateKey, PublicKey, signature_hash
from mutua.pki.names import Name, name_of

MAX_REQUEST_BYTES = 64 * 1024
"""An RSA-8192 key with 100 DNS names of 253 characters, as much as a certificate carries, takes 37 KiB in PEM."""

MAX_EXTRAS = 20
"""Lines of what is left out; the rest of a longer list is counted."""

MIN_RSA_EXPONENT = 65537
"""FIPS 186-5 section A.1.1: odd, above 2^16 and below 2^256."""

FERMAT_ROUNDS = 100
"""As many as section 6.1.1.3 of the CA/Browser Forum's Baseline Requirements tells public CAs to try."""

_SIGNATURES = frozenset(
    {
        SignatureAlgorithmOID.ECDSA_WITH_SHA256,
        SignatureAlgorithmOID.ECDSA_WITH_SHA384,
        SignatureAlgorithmOID.ECDSA_WITH_SHA512,
        SignatureAlgorithmOID.RSA_WITH_SHA256,
        SignatureAlgorithmOID.RSA_WITH_SHA384,
        SignatureAlgorithmOID.RSA_WITH_SHA512,
        SignatureAlgorithmOID.RSASSA_PSS,
        SignatureAlgorithmOID.ED25519,
    }
)
_ECDSA = {
    SignatureAlgorithmOID.ECDSA_WITH_SHA256: ec.ECDSA(hashes.SHA256()),
    SignatureAlgorithmOID.ECDSA_WITH_SHA384: ec.ECDSA(hashes.SHA384()),
    SignatureAlgorithmOID.ECDSA_WITH_SHA512: ec.ECDSA(hashes.SHA512()),
}
_EXTENSION_REQUESTS = (
    ObjectIdentifier("1.2.840.113549.1.9.14"),  # RFC 2985 section 5.4.2
    ObjectIdentifier("1.3.6.1.4.1.311.2.1.14"),  # what Windows wrote before, with the same content
)
_ATTRIBUTES = {
    AttributeOID.CHALLENGE_PASSWORD: "challengePassword",
    AttributeOID.UNSTRUCTURED_NAME: "unstructuredName",
}
_EXTENSIONS = {
    ExtensionOID.SUBJECT_KEY_IDENTIFIER: "subjectKeyIdentifier",
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER: "authorityKeyIdentifier",
    ExtensionOID.NAME_CONSTRAINTS: "nameConstraints",
    ExtensionOID.CERTIFICATE_POLICIES: "certificatePolicies",
    ExtensionOID.POLICY_CONSTRAINTS: "policyConstraints",
    ExtensionOID.POLICY_MAPPINGS: "policyMappings",
    ExtensionOID.INHIBIT_ANY_POLICY: "inhibitAnyPolicy",
    ExtensionOID.ISSUER_ALTERNATIVE_NAME: "issuerAltName",
    ExtensionOID.CRL_DISTRIBUTION_POINTS: "cRLDistributionPoints",
    ExtensionOID.AUTHORITY_INFORMATION_ACCESS: "authorityInfoAccess",
    ExtensionOID.OCSP_NO_CHECK: "ocsp-nocheck",
    ExtensionOID.TLS_FEATURE: "tlsfeature",
}
_KEY_USAGES = {
    "content_commitment": "nonRepudiation",
    "key_encipherment": "keyEncipherment",
    "data_encipherment": "dataEncipherment",
    "key_agreement": "keyAgreement",
    "key_cert_sign": "keyCertSign",
    "crl_sign": "cRLSign",
}
_NAME_KINDS: dict[type[x509.GeneralName], str] = {
    x509.OtherName: "otherName",
    x509.DirectoryName: "directoryName",
    x509.RegisteredID: "registeredID",
    x509.IPAddress: "IP network",
}
_HINT = "give one PKCS#10 request in PEM or DER, such as 'openssl req -new -key KEY -subj /CN=NAME' makes"


class CertificateRequest(NamedTuple):
    """What somebody who holds a private key asks to have certified. The request's own signature has been verified.

    Attributes:
        parsed: the request itself.
        public_key: the key to certify; its strength is for ``mutua.ca.policy`` to judge.
        common_name: the subject's last common name, or empty.
        names: from the SubjectAltName, in order, as they stand there: they may be malformed.
        purposes: the ExtendedKeyUsage asked for.
        extras: everything else it asks for, one line each, at most 21 lines.
    """

    parsed: x509.CertificateSigningRequest
    public_key: PublicKey
    common_name: str
    names: tuple[Name, ...]
    purposes: tuple[ObjectIdentifier, ...]
    extras: tuple[str, ...]

    @property
    def der(self) -> bytes:
        """The request itself."""
        return self.parsed.public_bytes(Encoding.DER)


def read_request(data: bytes) -> CertificateRequest:
    """Read one request and verify its signature, which proves possession of the private key.

    Args:
        data: PEM (``CERTIFICATE REQUEST`` or ``NEW CERTIFICATE REQUEST``, with text around it) or DER, at most 64 KiB.

    Raises:
        UnreadableRequest: not one request, damaged, or signed with another key or an algorithm that is not accepted.
    """
    if len(data) > MAX_REQUEST_BYTES:
        raise _unreadable(f"{len(data)} bytes are too many: a request has at most {MAX_REQUEST_BYTES}")
    try:
        with parsing(_unreadable("it cannot be parsed")):
            request = _load(data)
            return _read(request, _proven_key(request))
    except x509.DuplicateExtension as error:
        raise _unreadable(f"the extension {error.oid.dotted_string} is there twice") from None
    except MALFORMED as error:
        raise _unreadable(f"it cannot be parsed: {str(error)[:120]}") from None


def write_request(key: PrivateKey, names: Iterable[Name], common_name: str = "") -> bytes:
    """A request for these names, signed with the key, in PEM.

    Args:
        key: the private key whose public half is to be certified.
        names: for the SubjectAltName; may be empty.
        common_name: the subject; left out where it is empty, not printable, or over 64 bytes in UTF-8.
    """
    alternatives = [name.general_name() for name in names]
    fits = common_name.isprintable() and len(common_name.encode()) <= MAX_COMMON_NAME
    subject = distinguished_name(common_name=common_name if fits else "")
    builder = x509.CertificateSigningRequestBuilder(subject)
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return builder.sign(key, signature_hash(key)).public_bytes(Encoding.PEM)


def rsa_weaknesses(key: rsa.RSAPublicKey) -> tuple[str, ...]:
    """What makes an RSA key weak whatever its size, one line each: its exponent, or primes that can be found."""
    numbers = key.public_numbers()
    found = []
    if not MIN_RSA_EXPONENT <= numbers.e < 1 << 256 or numbers.e % 2 == 0:
        found.append(
            "the RSA key's public exponent is not an odd number from 65537 to 2^256 (FIPS 186-5 section A.1.1)"
        )
    if _has_roca_fingerprint(numbers.n):
        found.append("the RSA key was made by a chip whose keys can be factored (ROCA, CVE-2017-15361)")
    if _has_close_primes(numbers.n):
        found.append("the RSA key's primes are so close that it can be factored (CVE-2022-26320)")
    return tuple(found)


def _load(data: bytes) -> x509.CertificateSigningRequest:
    if is_der(data) or b"-----BEGIN" not in data:
        return x509.load_der_x509_csr(data)
    begins = data.count(b"-----BEGIN CERTIFICATE REQUEST-----") + data.count(b"-----BEGIN NEW CERTIFICATE REQUEST-----")
    if begins == 1:
        return x509.load_pem_x509_csr(data)
    if begins == 0 and b"-----BEGIN CERTIFICATE-----" in data:
        raise _unreadable("this is a certificate and not a request")
    raise _unreadable(f"the PEM file holds {begins or 'no'} requests and not one")


def _proven_key(request: x509.CertificateSigningRequest) -> PublicKey:
    """The key, once the request's signature has been verified with it."""
    algorithm = request.signature_algorithm_oid
    if algorithm not in _SIGNATURES:
        raise _unreadable(f"it is signed with {_algorithm_name(request)}, which is not accepted")
    if algorithm == SignatureAlgorithmOID.RSASSA_PSS and not isinstance(
        request.signature_hash_algorithm, hashes.SHA256 | hashes.SHA384 | hashes.SHA512
    ):
        raise _unreadable("it is signed with RSASSA-PSS and a hash that is not accepted")
    key = request.public_key()
    if not isinstance(key, PublicKey):
        raise _unreadable("its key is of a kind that is not accepted")
    if isinstance(key, rsa.RSAPublicKey) and key.key_size > MAX_RSA_BITS:
        raise _unreadable(f"its RSA key has {key.key_size} bits, and {MAX_RSA_BITS} are the most that is accepted")
    if not _is_signed_by(request, key):
        raise _unreadable("its signature is not by the key it holds, so nothing proves who has that key")
    return key


def _is_signed_by(request: x509.CertificateSigningRequest, key: PublicKey) -> bool:
    ecdsa = _ECDSA.get(request.signature_algorithm_oid)
    if ecdsa is None or not isinstance(key, ec.EllipticCurvePublicKey):
        return request.is_signature_valid
    try:
        # With the key that was parsed already: parsing it again takes a sixteenth of the verification.
        key.verify(request.signature, request.tbs_certrequest_bytes, ecdsa)
    except InvalidSignature:
        return False
    return True


def _read(request: x509.CertificateSigningRequest, key: PublicKey) -> CertificateRequest:
    extras: list[str] = []
    common_name = ""
    names: tuple[Name, ...] = ()
    purposes: tuple[ObjectIdentifier, ...] = ()
    for attribute in request.subject:
        if "\0" in str(attribute.value):
            raise _unreadable("its subject holds a null byte")
        if attribute.oid == NameOID.COMMON_NAME:
            if common_name:
                extras.append(f"subject CN={common_name[:80]!r}")
            common_name = str(attribute.value)
        else:
            extras.append(f"subject {attribute.rfc4514_attribute_name}={str(attribute.value)[:80]!r}")
    extras.extend(_other_attributes(request))
    for extension in request.extensions:
        match extension.value:
            case x509.SubjectAlternativeName() as alternatives:
                names = _names(alternatives, extras)
            case x509.ExtendedKeyUsage() as usage:
                purposes = tuple(usage)
            case _:
                extras.extend(_beyond(extension, key))
    if len(extras) > MAX_EXTRAS:
        extras[MAX_EXTRAS:] = [f"and {len(extras) - MAX_EXTRAS} more"]
    return CertificateRequest(
        parsed=request,
        public_key=key,
        common_name=common_name,
        names=names,
        purposes=purposes,
        extras=tuple(extras),
    )


def _other_attributes(request: x509.CertificateSigningRequest) -> Iterator[str]:
    """The attributes but for the extension request. Their values are kept back: a challenge password is a secret."""
    extension_requests = 0
    for attribute in request.attributes:
        if attribute.oid in _EXTENSION_REQUESTS:
            extension_requests += 1
        else:
            yield f"attribute {_ATTRIBUTES.get(attribute.oid, attribute.oid.dotted_string)}"
    if extension_requests > 1:  # cryptography reads the first and passes over the others
        raise _unreadable("it has two lists of extensions")


def _names(alternatives: x509.SubjectAlternativeName, extras: list[str]) -> tuple[Name, ...]:
    names: list[Name] = []
    for entry in alternatives:
        name = name_of(entry)
        if name is None:
            extras.append(f"a name of the kind {_NAME_KINDS[type(entry)]}")
        elif "\0" in (text := str(name)) or not text.isascii():
            raise _unreadable("one of its names holds a null byte or is not ASCII")
        else:
            names.append(name)
    return tuple(names)


def _beyond(extension: x509.Extension[x509.ExtensionType], key: PublicKey) -> Iterator[str]:
    """What the extension asks for that no certificate of ours says anyway."""
    match extension.value:
        case x509.BasicConstraints(ca=is_ca):
            if is_ca:
                yield "extension basicConstraints CA:TRUE"
        case x509.KeyUsage() as usage:
            if asked := [text for attribute, text in _KEY_USAGES.items() if getattr(usage, attribute)]:
                yield f"extension keyUsage {', '.join(asked)}"
        case x509.SubjectKeyIdentifier() as identifier if identifier == x509.SubjectKeyIdentifier.from_public_key(key):
            pass
        case _:
            yield f"extension {_EXTENSIONS.get(extension.oid, extension.oid.dotted_string)}"


def _has_roca_fingerprint(modulus: int) -> bool:
    """Whether the modulus is a power of 65537 modulo each of the small primes that tell.

    Those are the primes up to 167 of which 65537 does not generate the whole group; all of them divide the primorial
    that the chips' primes are built on. Of good keys one in 2^27.8 has the fingerprint too (Nemec and others, The
    Return of Coppersmith's Attack, 2017, section 2.3).
    """
    return all(powers >> modulus % prime & 1 for prime, powers in _roca_powers())


@cache
def _roca_powers() -> tuple[tuple[int, int], ...]:
    """Each telling prime with the powers of 65537, as bits."""
    telling = (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)
    return tuple((prime, sum({1 << pow(65537, power, prime) for power in range(prime)})) for prime in telling)


def _has_close_primes(modulus: int) -> bool:
    """Fermat's factorization: whether the modulus is the difference of two squares, the greater next to its root."""
    squares = _squares_modulo_5040()
    root = isqrt(modulus - 1) + 1
    small_root, small_rest = root % 5040, (root * root - modulus) % 5040
    for step in range(FERMAT_ROUNDS):
        if squares >> small_rest & 1:
            rest = (root + step) ** 2 - modulus
            if isqrt(rest) ** 2 == rest:
                return True
        small_rest = (small_rest + 2 * small_root + 1) % 5040
        small_root += 1
    return False


@cache
def _squares_modulo_5040() -> int:
    """The remainders that a square can have, as bits: so few that hardly any number needs a closer look."""
    return sum({1 << number * number % 5040 for number in range(5040)})


def _algorithm_name(request: x509.CertificateSigningRequest) -> str:
    try:
        used = request.signature_hash_algorithm
    except UnsupportedAlgorithm:
        used = None
    return used.name.upper() if used else f"the algorithm {request.signature_algorithm_oid.dotted_string}"


def _unreadable(why: str) -> UnreadableRequest:
    return UnreadableRequest(f"the certificate request is not accepted: {why}", hint=_HINT)
