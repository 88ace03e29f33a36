"""A token that is logged in to: makes keys, finds them, signs with them."""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pkcs11
from cryptography.exceptions import InvalidSignature
from pkcs11 import Attribute, Mechanism, MechanismFlag, ObjectClass

from mutua.errors import TokenUnavailable
from mutua.home.tokens.encoding import (
    ED25519_PARAMETERS,
    P256_PARAMETERS,
    P384_PARAMETERS,
    ec_public_key,
    ed25519_public_key,
    rsa_public_key,
)
from mutua.home.tokens.failures import PIN_HINT, NoKeyMade, Place, WrongSignature, explained, is_transient
from mutua.home.tokens.module import alone, module_at
from mutua.home.tokens.uri import TokenUri
from mutua.pki.keys import KeyType, PublicKey

T = TypeVar("T")

IDENTIFIER_BYTES = 16

_NEEDS = {
    KeyType.P256: {Mechanism.EC_KEY_PAIR_GEN, Mechanism.ECDSA},
    KeyType.P384: {Mechanism.EC_KEY_PAIR_GEN, Mechanism.ECDSA},
    KeyType.ED25519: {Mechanism.EC_EDWARDS_KEY_PAIR_GEN, Mechanism.EDDSA},
}
_RSA_NEEDS = {Mechanism.RSA_PKCS_KEY_PAIR_GEN, Mechanism.RSA_PKCS}
_RSA_BITS = {KeyType.RSA2048: 2048, KeyType.RSA3072: 3072, KeyType.RSA4096: 4096}
_CURVES = {
    KeyType.P256: (pkcs11.KeyType.EC, P256_PARAMETERS),
    KeyType.P384: (pkcs11.KeyType.EC, P384_PARAMETERS),
    KeyType.ED25519: (pkcs11.KeyType.EC_EDWARDS, ED25519_PARAMETERS),
}
_STAYS_INSIDE = {Attribute.PRIVATE: True, Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}


@dataclass(slots=True)
class _Open:
    """A session, and the handles that are good in it."""

    session: pkcs11.Session
    epoch: int
    keys: dict[TokenUri, pkcs11.SignMixin] = field(default_factory=dict)


class Token:
    """A token in a slot of a module. Nothing is touched before the first use.

    Every method holds the lock of all modules, and where the token was away meanwhile it tries once more with a new
    session; what fails then is ``TokenUnavailable``.

    Args:
        place: module and label.
        pin: gives the PIN whenever a session is opened.
    """

    def __init__(self, place: Place, pin: Callable[[], bytes]) -> None:
        self._place, self._pin = place, pin
        self._module = module_at(place.module)
        self._open: _Open | None = None
        self._refused: bytes | None = None

    def has(self, label: str) -> bool:
        """Whether a key is called so.

        Raises:
            TokenUnavailable: the token cannot be used.
        """
        with alone(), explained(self._place):
            return self._retried(lambda opened: _is_taken(opened, label))

    def make(self, label: str, kind: KeyType) -> tuple[TokenUri, PublicKey]:
        """Make a key pair in the token, which keeps it: it signs, and cannot be read, wrapped or derived from.

        Raises:
            TokenUnavailable: the label is taken, or the token cannot do it.
        """
        uri = TokenUri(self._place.label, label, os.urandom(IDENTIFIER_BYTES))
        with alone(), explained(self._place):
            if self._retried(lambda opened: _is_taken(opened, label)):
                hint = f"give each home a token of its own; this one has: {self._place.objects}"
                raise TokenUnavailable(f"{self._place} has a key {label!r} already", hint=hint)
            # Never retried: the token may have made the key and lost only the answer.
            writing = self._opened().session.token.open(rw=True)
            try:
                return uri, _generate(writing, uri, kind)
            except (pkcs11.GeneralError, pkcs11.FunctionFailed, pkcs11.DeviceError) as error:
                raise NoKeyMade(type(error).__name__) from None
            finally:
                with suppress(pkcs11.PKCS11Error):
                    writing.close()

    def find(self, uri: TokenUri) -> PublicKey:
        """The public key of a key pair, of which the private key is there as well.

        Raises:
            TokenUnavailable: it is not there, or there twice.
        """

        def look(opened: _Open) -> PublicKey:
            _private(opened, uri)
            return _public_key(_one(opened.session, ObjectClass.PUBLIC_KEY, uri))

        with alone(), explained(self._place):
            return self._retried(look)

    def sign(
        self,
        uri: TokenUri,
        mechanism: str,
        data: bytes,
        proof: Callable[[bytes], bytes],
        pss: tuple[str, int] | None = None,
    ) -> bytes:
        """Sign with the private key.

        Args:
            uri: which.
            mechanism: a name of python-pkcs11's, such as ``ECDSA``.
            data: what the mechanism takes.
            proof: turns the token's answer into a signature and verifies it, so that no other key's goes out.
            pss: the hash and the bytes of salt of RSASSA-PSS (RFC 8017 section 8.1).

        Raises:
            TokenUnavailable: it does not, or its signature does not verify.
        """
        parameter = pss and (Mechanism[pss[0]], pkcs11.MGF[pss[0]], pss[1])

        def act(opened: _Open) -> bytes:
            key = _private(opened, uri)
            answer = key.sign(data, mechanism=Mechanism[mechanism], mechanism_param=parameter)
            try:
                return proof(bytes(answer))
            except InvalidSignature:
                raise WrongSignature from None

        with alone(), explained(self._place):
            return self._retried(act)

    def close(self) -> None:
        """Log out and close the session; the next use opens another."""
        with alone():
            if self._open is not None and self._open.epoch == self._module.epoch and not self._module.inherited:
                with suppress(pkcs11.PKCS11Error):
                    self._open.session.close()
            self._open = None

    def _retried(self, act: Callable[[_Open], T]) -> T:
        try:
            return act(self._opened())
        except pkcs11.PKCS11Error as error:
            if not is_transient(error):
                raise
        self._open = None
        self._module.restart()
        return act(self._opened())

    def _opened(self) -> _Open:
        library = self._module.library()
        if self._open is None or self._open.epoch != self._module.epoch:
            token = library.get_token(token_label=self._place.label)
            self._open = _Open(self._log_in(token), self._module.epoch)
        return self._open

    def _log_in(self, token: pkcs11.Token) -> pkcs11.Session:
        pin = self._pin()
        if pin == self._refused:
            # Tokens lock after a few wrong PINs, and a server tries for every certificate.
            raise TokenUnavailable(f"{self._place} has refused this PIN, and is not asked again", hint=PIN_HINT)
        try:
            return token.open(user_pin=pin.decode())
        except pkcs11.UserAlreadyLoggedIn:
            # Somebody else in this process has: a login is for all its sessions (PKCS #11 2.40, section 5.6).
            return token.open()
        except (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange):
            self._refused = pin
            raise
        except UnicodeDecodeError:
            raise TokenUnavailable("the PIN is not UTF-8", hint=PIN_HINT) from None


def _is_taken(opened: _Open, label: str) -> bool:
    return bool(list(opened.session.get_objects({Attribute.LABEL: label})))


def _private(opened: _Open, uri: TokenUri) -> pkcs11.SignMixin:
    """The handle of a private key, looked up once a session."""
    key = opened.keys.get(uri)
    if key is None:
        found = _one(opened.session, ObjectClass.PRIVATE_KEY, uri)
        if not isinstance(found, pkcs11.SignMixin):
            raise pkcs11.FunctionRejected
        key = opened.keys[uri] = found
    return key


def _one(session: pkcs11.Session, kind: ObjectClass, uri: TokenUri) -> pkcs11.Object:
    wanted = {Attribute.CLASS: kind, Attribute.LABEL: uri.label, Attribute.ID: uri.identifier}
    found = list(session.get_objects(wanted))
    if not found:
        raise pkcs11.NoSuchKey
    if len(found) > 1:
        raise pkcs11.MultipleObjectsReturned
    return found[0]


def _generate(session: pkcs11.Session, uri: TokenUri, kind: KeyType) -> PublicKey:
    if not _NEEDS.get(kind, _RSA_NEEDS) <= session.token.slot.get_mechanisms():
        raise pkcs11.MechanismInvalid
    wanted: dict[str, Any] = {
        "id": uri.identifier,
        "label": uri.label,
        "store": True,
        "capabilities": MechanismFlag.SIGN | MechanismFlag.VERIFY,
        "private_template": _STAYS_INSIDE,
    }
    if kind in _RSA_BITS:
        public, private = session.generate_keypair(pkcs11.KeyType.RSA, _RSA_BITS[kind], **wanted)
    else:
        family, parameters = _CURVES[kind]
        curve = session.create_domain_parameters(family, {Attribute.EC_PARAMS: parameters}, local=True)
        public, private = curve.generate_keypair(**wanted)
    try:
        _require_kept(private)
        return _public_key(public)
    except BaseException:
        private.destroy()
        public.destroy()
        raise


def _require_kept(key: pkcs11.PrivateKey) -> None:
    """Look whether the token does what it was asked: some take a template and forget about it."""
    if any(key[attribute] is not value for attribute, value in _STAYS_INSIDE.items()):
        raise pkcs11.TemplateInconsistent


def _public_key(key: pkcs11.Object) -> PublicKey:
    match key[Attribute.KEY_TYPE]:
        case pkcs11.KeyType.EC:
            return ec_public_key(key[Attribute.EC_PARAMS], key[Attribute.EC_POINT])
        case pkcs11.KeyType.EC_EDWARDS:
            return ed25519_public_key(key[Attribute.EC_POINT])
        case pkcs11.KeyType.RSA:
            return rsa_public_key(key[Attribute.MODULUS], key[Attribute.PUBLIC_EXPONENT])
    raise pkcs11.KeyTypeInconsistent
