"""What cryptography does with foreign bytes besides returning a value or raising: it warns, and it gives up."""

import warnings
from threading import Lock

from cryptography import x509
from cryptography.exceptions import InternalError, UnsupportedAlgorithm

from mutua.errors import Unreadable

MALFORMED = (
    ValueError,
    TypeError,
    OverflowError,
    NotImplementedError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    UnsupportedAlgorithm,
)
"""What cryptography raises for X.509 values that it cannot read."""


class _Silence:
    """Python's warnings switched off while anybody parses.

    ``warnings`` keeps its filters for the whole process, and saving and restoring them in several threads at a time
    would leave those of one behind for all. The first to come switches off, the last to go switches on again.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._parsing = 0
        self._before = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._parsing == 0:
                self._before = warnings.catch_warnings()
                self._before.__enter__()
                warnings.simplefilter("ignore")
            self._parsing += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._parsing -= 1
            if self._parsing == 0:
                self._before.__exit__(None, None, None)


silence = _Silence()
"""Around many parsers in a row it saves each of them the switching."""


class parsing:  # noqa: N801 -- it reads as what goes on: with parsing(...)
    """Run a parser of cryptography: its warnings are dropped, and where it gives up ``refusal`` is raised.

    It gives up with ``InternalError`` where OpenSSL says no unexpectedly, as for an X448 key of the wrong length. A
    panic of its Rust code arrives as a ``BaseException`` of a class that cannot be imported, as for a PEM key whose
    ``DEK-Info`` holds too short an initialization vector. The warnings tell of deprecated encodings, such as a
    negative serial number or BER in PKCS#12, which are the sender's and not ours to repeat.
    """

    def __init__(self, refusal: Unreadable) -> None:
        self._refusal = refusal

    def __enter__(self) -> None:
        silence.__enter__()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        silence.__exit__()
        if kind is not None and (issubclass(kind, InternalError) or kind.__name__ == "PanicException"):
            raise self._refusal from None
