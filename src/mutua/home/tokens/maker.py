"""Making CA keys in a token and finding them again."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mutua.errors import MissingExtra, TokenUnavailable
from mutua.home.tokens.keys import key_in
from mutua.home.tokens.uri import TokenUri
from mutua.pki.keys import KeyType, PrivateKey

if TYPE_CHECKING:
    from mutua.home.tokens.session import Token


class TokenKeys:
    """The keys of a home's CAs in one token. Nothing is loaded, and no PIN asked for, before the first key.

    For any number of threads, one at a time: no token is asked for two signatures at once by one process. A forked
    child logs in anew by itself.

    Args:
        module: the PKCS#11 library, such as ``/usr/lib/softhsm/libsofthsm2.so``.
        token_label: which of its tokens.
        pin: the user's PIN, or what gives it each time the token is logged in to. It is not kept otherwise.
    """

    def __init__(self, module: Path, token_label: str, pin: bytes | Callable[[], bytes]) -> None:
        self._module, self._label = Path(module), token_label
        self._pin = pin if callable(pin) else lambda: pin

    def make(self, authority: str, kind: KeyType) -> tuple[PrivateKey, str]:
        """Make a key pair in the token for a CA. Its label is the CA's name.

        Returns:
            The key, and the ``pkcs11:`` URI from which ``load`` finds it.

        Raises:
            TokenUnavailable: the label is taken, or the token cannot be used, or not for that kind.
            MissingExtra: python-pkcs11 is not installed.
        """
        uri, public = self._token.make(_encodable(authority), kind)
        return key_in(self._token, uri, public), str(uri)

    def has(self, authority: str) -> bool:
        """Whether the token has a key of that name, so that no other is made.

        Raises:
            TokenUnavailable: the token cannot be used. MissingExtra: python-pkcs11 is not installed.
        """
        return self._token.has(_encodable(authority))

    def load(self, authority: str, stored: str) -> PrivateKey:
        """Find the key of a CA.

        Raises:
            UnreadableKey: ``stored`` is not what ``make`` gives.
            TokenUnavailable: the key is another's or not there, or the token cannot be used.
            MissingExtra: python-pkcs11 is not installed.
        """
        uri = TokenUri.parse(stored)
        if uri.token != self._label:
            raise TokenUnavailable(
                f"the key of the CA {authority!r} is in the token {uri.token!r}, not in {self._label!r}",
                hint="name that token in mutua.toml under [pkcs11]",
            )
        if uri.label != authority:
            raise TokenUnavailable(
                f"the key {uri.label!r} is not the one of the CA {authority!r}", hint="mutua audit verify"
            )
        return key_in(self._token, uri, self._token.find(uri))

    def close(self) -> None:
        """Log out. A key that signs after that logs in again."""
        if "_token" in vars(self):
            self._token.close()

    def __repr__(self) -> str:
        return f"<TokenKeys in {self._label!r} of '{self._module}'>"

    @cached_property
    def _token(self) -> "Token":
        try:
            from mutua.home.tokens.failures import Place  # noqa: PLC0415 -- the extra may not be installed
            from mutua.home.tokens.session import Token  # noqa: PLC0415
        except ImportError as error:
            raise MissingExtra("keys in a token need python-pkcs11", hint="pip install 'mutua[pkcs11]'") from error
        _encodable(self._label)
        return Token(Place(self._module, self._label), self._pin)


def _encodable(label: str) -> str:
    # python-pkcs11 0.10 frees memory it never had where a label cannot be encoded.
    if not label or "\0" in label or not label.isprintable():
        raise TokenUnavailable(f"{label[:80]!r} is not a label", hint="take letters, digits and hyphens")
    return label
