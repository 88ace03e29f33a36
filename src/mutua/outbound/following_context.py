"""An ``ssl.SSLContext`` that stays the same object while what it presents and believes is renewed.

A context in use is never changed, for reloading one breaks handshakes that are under way. So this one makes no
connection itself: it hands every handshake to a context of its own making, and makes another when the identity or the
trust has changed. It has no anchors and no key: whoever gets round it gets no connection.
"""

import ssl
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

from mutua.errors import InvalidInput

if TYPE_CHECKING:
    from mutua.outbound.following import FollowedIdentity, Version

_COPIED = ("options", "verify_flags", "minimum_version", "maximum_version")


class FollowingContext(ssl.SSLContext):
    """What ``FollowedIdentity.client_context`` gives; whatever is set on it holds for every later connection too.

    Verification and the check of host names cannot be turned off, nor certificates be added: both come from the
    followed identity and trust alone, and trying raises ``InvalidInput``.
    """

    _followed: "FollowedIdentity"
    _settings: dict[str, Any]
    _calls: dict[str, Any]
    _made: "tuple[Version, ssl.SSLContext] | None"

    def __new__(cls, _followed: "FollowedIdentity") -> Self:
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, followed: "FollowedIdentity") -> None:
        self._followed, self._settings, self._calls, self._made = followed, {}, {}, None
        first = self.newest()
        for name in _COPIED:
            super().__setattr__(name, getattr(first, name))

    def newest(self) -> ssl.SSLContext:
        """The plain context that a handshake begun now is made with."""
        version, made = self._followed.newest(), self._made
        if made is None or made[0] is not version:
            # Two threads may both make one. The connections of the other then count as older, and are not used again.
            self._made = made = (version, self._make(version))
        return made[1]

    def is_current(self, connection: Any) -> bool:
        """Whether a connection was made with the newest identity and trust, and may be used again.

        Args:
            connection: the ``SSLSocket`` or ``SSLObject`` of one that this context made.
        """
        version, made = self._followed.glance(), self._made
        return made is not None and made[0] is version and made[1] is connection.context

    @property
    def generation(self) -> int:
        """1 at first, one more at each change of identity or trust."""
        return self._followed.glance().generation

    def wrap_socket(
        self,
        sock: Any,
        server_side: bool = False,  # noqa: FBT001, FBT002 -- the signature is that of ssl
        do_handshake_on_connect: bool = True,  # noqa: FBT001, FBT002
        suppress_ragged_eofs: bool = True,  # noqa: FBT001, FBT002
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,  # noqa: ARG002 -- a session carries the identity it began with
    ) -> ssl.SSLSocket:
        """As of ``ssl.SSLContext``; no session is resumed."""
        return self.newest().wrap_socket(
            sock, server_side, do_handshake_on_connect, suppress_ragged_eofs, server_hostname
        )

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,  # noqa: ARG002 -- see wrap_socket
    ) -> ssl.SSLObject:
        """As of ``ssl.SSLContext``; no session is resumed."""
        return self.newest().wrap_bio(incoming, outgoing, server_side, server_hostname)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            super().__setattr__(name, value)
            return
        if value == getattr(self, name, None):
            return  # urllib3 and http.client set anew what is set
        if name in {"verify_mode", "check_hostname"}:
            raise InvalidInput(
                f"{name} = {value!r}: verification stays on", hint="give the server's CA to trust, and use its name"
            )
        super().__setattr__(name, value)
        self._settings[name] = value
        if self._made is not None:
            setattr(self._made[1], name, value)

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """As of ``ssl.SSLContext``."""
        self._call("set_alpn_protocols", list(alpn_protocols))

    def set_ciphers(self, cipherlist: str, /) -> None:
        """As of ``ssl.SSLContext``."""
        self._call("set_ciphers", cipherlist)

    def load_cert_chain(self, *_arguments: Any, **_options: Any) -> None:
        """Raise ``InvalidInput``: what is presented is the followed identity."""
        raise _not_added("a certificate")

    def load_verify_locations(self, *_arguments: Any, **_options: Any) -> None:
        """Raise ``InvalidInput``: what is believed is the followed trust."""
        raise _not_added("a CA")

    def load_default_certs(self, *_arguments: Any, **_options: Any) -> None:
        """Raise ``InvalidInput``: what is believed is the followed trust."""
        raise _not_added("the system's CAs")

    def set_default_verify_paths(self) -> None:
        """Raise ``InvalidInput``: what is believed is the followed trust."""
        raise _not_added("the system's CAs")

    def get_ca_certs(self, binary_form: bool = False) -> Any:  # noqa: FBT001, FBT002
        """As of ``ssl.SSLContext``, of the trust in force."""
        return self.newest().get_ca_certs(binary_form)

    def cert_store_stats(self) -> dict[str, int]:
        """As of ``ssl.SSLContext``, of the trust in force."""
        return self.newest().cert_store_stats()

    def get_ciphers(self) -> Any:
        """As of ``ssl.SSLContext``."""
        return self.newest().get_ciphers()

    def _make(self, version: "Version") -> ssl.SSLContext:
        context = version.identity.client_context(version.trust)
        for name, value in self._settings.items():
            setattr(context, name, value)
        for name, argument in self._calls.items():
            getattr(context, name)(argument)
        return context

    def _call(self, name: str, argument: Any) -> None:
        if self._calls.get(name) == argument:
            return
        getattr(super(), name)(argument)  # refuses what OpenSSL refuses
        self._calls[name] = argument
        if self._made is not None:
            getattr(self._made[1], name)(argument)

    def __reduce__(self) -> str:
        raise TypeError("a FollowingContext holds a private key and cannot be pickled")


def may_be_used_again(context: ssl.SSLContext | None, connection: Any) -> bool:
    """Whether a pooled TLS connection made with ``context`` still presents what a new one would.

    Args:
        context: of the client; a plain one never changes.
        connection: the ``SSLSocket`` or ``SSLObject``.
    """
    return not isinstance(context, FollowingContext) or context.is_current(connection)


def _not_added(what: str) -> InvalidInput:
    return InvalidInput(
        f"{what} is not added to a context that follows an identity",
        hint="give it to FollowedIdentity; with requests use mutua.outbound.requests.MutualTLSAdapter",
    )
