"""Private keys that are in a token: cryptography's builders sign with them, and nobody gets their bytes.

Data is hashed here and signed in the token: every token signs a digest, and a CRL of 40 MB stays out of it. The
signature is verified before it goes out, so that neither a fault in the token nor a handle that became another key's
makes a certificate that nobody can verify.
"""

from typing import NoReturn, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
from cryptography.hazmat.primitives.hashes import HashAlgorithm
from cryptography.utils import Buffer

from mutua.errors import InvalidInput, NotAllowed
from mutua.home.tokens.encoding import digest_info, ecdsa_signature, hashed
from mutua.home.tokens.uri import TokenUri
from mutua.pki.keys import PrivateKey, PublicKey


class Proof(Protocol):
    """Turns a token's answer into a signature, and raises ``InvalidSignature`` where it does not verify."""

    def __call__(self, answer: bytes, /) -> bytes: ...


class Signing(Protocol):
    """What a key needs of its token."""

    def sign(
        self, uri: TokenUri, mechanism: str, data: bytes, proof: Proof, pss: tuple[str, int] | None = None
    ) -> bytes: ...


class _Inside:
    """What every key in a token refuses, and what it shows of itself.

    Args:
        token: signs.
        uri: where in it the key is.
    """

    def __init__(self, token: Signing, uri: TokenUri) -> None:
        self._token, self._uri = token, uri

    def private_bytes(self, *_: object, **__: object) -> NoReturn:
        """A key in a token has no bytes.

        Raises:
            NotAllowed: always.
        """
        raise NotAllowed(
            f"the key {self._uri.label!r} is in the token {self._uri.token!r} and never leaves it",
            hint="keep a copy of the token, with its maker's own tools",
        )

    private_numbers = private_bytes_raw = private_bytes

    def decrypt(self, *_: object) -> NoReturn:
        """A CA's key only signs.

        Raises:
            NotAllowed: always.
        """
        raise NotAllowed(f"the key {self._uri.label!r} signs, and does nothing else", hint="take another key")

    exchange = decrypt

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._uri}>"

    def __reduce__(self) -> NoReturn:
        self.private_bytes()


class EllipticCurveTokenKey(_Inside, ec.EllipticCurvePrivateKey):
    """A P-256 or P-384 key in a token."""

    def __init__(self, token: Signing, uri: TokenUri, public: ec.EllipticCurvePublicKey) -> None:
        super().__init__(token, uri)
        self._public = public

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._public

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._public.curve

    @property
    def key_size(self) -> int:
        return self._public.key_size

    def sign(self, data: Buffer, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """ECDSA, as the Ecdsa-Sig-Value of RFC 3279.

        Raises:
            InvalidInput: a hash other than SHA-256, SHA-384 or SHA-512.
            TokenUnavailable: the token does not sign.
        """
        digest, algorithm = hashed(bytes(data), signature_algorithm.algorithm)

        def proof(answer: bytes, /) -> bytes:
            if len(answer) != 2 * -(-self.key_size // 8):
                raise InvalidSignature
            signature = ecdsa_signature(answer)
            self._public.verify(signature, digest, ec.ECDSA(utils.Prehashed(algorithm)))
            return signature

        return self._token.sign(self._uri, "ECDSA", digest, proof)

    def __copy__(self) -> "EllipticCurveTokenKey":
        return self

    def __deepcopy__(self, memo: object) -> "EllipticCurveTokenKey":
        return self


class RsaTokenKey(_Inside, rsa.RSAPrivateKey):
    """An RSA key in a token."""

    def __init__(self, token: Signing, uri: TokenUri, public: rsa.RSAPublicKey) -> None:
        super().__init__(token, uri)
        self._public = public

    def public_key(self) -> rsa.RSAPublicKey:
        return self._public

    @property
    def key_size(self) -> int:
        return self._public.key_size

    def sign(
        self,
        data: bytes,
        padding: AsymmetricPadding,
        algorithm: utils.Prehashed | HashAlgorithm | utils.NoDigestInfo,
    ) -> bytes:
        """RSASSA-PKCS1-v1_5 or RSASSA-PSS (RFC 8017 section 8).

        Raises:
            InvalidInput: another padding, or a hash other than SHA-256, SHA-384 or SHA-512.
            TokenUnavailable: the token does not sign.
        """
        digest, used = hashed(bytes(data), algorithm)
        salt = _salt(padding, self._public, used)

        def proof(answer: bytes, /) -> bytes:
            self._public.verify(answer, digest, padding, utils.Prehashed(used))
            return answer

        if salt is None:
            return self._token.sign(self._uri, "RSA_PKCS", digest_info(digest, used), proof)
        return self._token.sign(self._uri, "RSA_PKCS_PSS", digest, proof, (used.name.upper(), salt))

    def __copy__(self) -> "RsaTokenKey":
        return self

    def __deepcopy__(self, memo: object) -> "RsaTokenKey":
        return self


class Ed25519TokenKey(_Inside, ed25519.Ed25519PrivateKey):
    """An Ed25519 key in a token, which hashes by itself (RFC 8032 section 5.1)."""

    def __init__(self, token: Signing, uri: TokenUri, public: ed25519.Ed25519PublicKey) -> None:
        super().__init__(token, uri)
        self._public = public

    def public_key(self) -> ed25519.Ed25519PublicKey:
        return self._public

    def sign(self, data: Buffer) -> bytes:
        """Ed25519.

        Raises:
            TokenUnavailable: the token does not sign.
        """
        message = bytes(data)

        def proof(answer: bytes, /) -> bytes:
            self._public.verify(answer, message)
            return answer

        return self._token.sign(self._uri, "EDDSA", message, proof)

    def __copy__(self) -> "Ed25519TokenKey":
        return self

    def __deepcopy__(self, memo: object) -> "Ed25519TokenKey":
        return self


def key_in(token: Signing, uri: TokenUri, public: PublicKey) -> PrivateKey:
    """The private key to a public key, as an object that signs."""
    match public:
        case ec.EllipticCurvePublicKey():
            return EllipticCurveTokenKey(token, uri, public)
        case rsa.RSAPublicKey():
            return RsaTokenKey(token, uri, public)
        case _:
            return Ed25519TokenKey(token, uri, public)


def _salt(scheme: AsymmetricPadding, key: rsa.RSAPublicKey, algorithm: HashAlgorithm) -> int | None:
    """The bytes of salt of RSASSA-PSS; ``None`` for RSASSA-PKCS1-v1_5."""
    if isinstance(scheme, padding.PKCS1v15):
        return None
    if isinstance(scheme, padding.PSS) and scheme.mgf._algorithm.name == algorithm.name:  # noqa: SLF001
        match scheme._salt_length:  # noqa: SLF001 -- told to nobody but the library's own signer
            case int(length):
                return length
            case padding.PSS.DIGEST_LENGTH:
                return algorithm.digest_size
            case padding.PSS.MAX_LENGTH:
                return padding.calculate_max_pss_salt_length(key, algorithm)
    raise InvalidInput(
        "an RSA key in a token signs with PKCS #1 v1.5 or PSS, and MGF1 over the same hash", hint="take one of them"
    )
