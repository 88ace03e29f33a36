"""PKCS#11 libraries in this process: loaded once, called by one thread at a time, started anew after a fork."""

import os
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pkcs11

from mutua.errors import TokenUnavailable

if TYPE_CHECKING:
    from pkcs11._pkcs11 import lib

_LOCK = threading.RLock()
_OPENSSL = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@contextmanager
def alone() -> Iterator[None]:
    """Held around every call into a library: python-pkcs11 promises them all, with C_Initialize(NULL), one thread.

    A library that is built on the OpenSSL of this Python, as SoftHSM2 is, leaves its errors in the thread's error
    queue, where the next TLS connection or CA file would take them for its own. So the queue is empty afterwards.
    """
    with _LOCK:
        try:
            yield
        finally:
            # What `ssl` has for clearing it: this fails, and clears it for the reason above.
            with suppress(ssl.SSLError):
                _OPENSSL.set_ciphers("none")


class Module:
    """A PKCS#11 library, the same object for everyone in a process, to be used ``alone``.

    Attributes:
        path: the library's file.
        epoch: grows when the library is started anew. Sessions and handles of an earlier epoch are worthless: the
            library gives their numbers out again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.epoch = 0
        self.inherited = False
        self._library: lib | None = None

    def library(self) -> "lib":
        """The library, ready to be called."""
        if self._library is None or self.inherited or not self._library.initialized:
            self.restart()
        assert self._library is not None
        return self._library

    def restart(self) -> None:
        """C_Finalize and C_Initialize: what many libraries need to see a token that came back, or a new one."""
        self.epoch += 1
        if self._library is None:
            self._library = self._load()
            return
        # After a fork some libraries know that they were not started in this process, and refuse to be ended.
        with suppress(pkcs11.PKCS11Error):
            self._library.finalize()
        self._library.initialize()
        self.inherited = False

    def _load(self) -> "lib":
        try:
            return pkcs11.lib(str(self.path))
        except (pkcs11.PKCS11Error, ValueError) as error:
            if isinstance(error, pkcs11.PKCS11Error) and type(error) is not pkcs11.PKCS11Error:
                raise
            why = str(error).removeprefix(f"OS exception while loading {self.path}: ").removeprefix(f"{self.path}: ")
            raise TokenUnavailable(
                f"the PKCS#11 module '{self.path}' cannot be loaded: {why}", hint=f"ls -la '{self.path}'"
            ) from None


_modules: dict[str, Module] = {}


def module_at(path: Path) -> Module:
    """The library in that file; nothing is loaded yet."""
    with _LOCK:
        return _modules.setdefault(str(path), Module(path))


def _in_child() -> None:
    # A child must call C_Initialize itself (PKCS #11 Usage Guide 2.40, section 2.5.1), and log in anew.
    for module in _modules.values():
        module.inherited = True
    _LOCK.release()


# Nobody is inside a library while the process forks, so that the child inherits none half-way through a call.
os.register_at_fork(before=_LOCK.acquire, after_in_parent=_LOCK.release, after_in_child=_in_child)
