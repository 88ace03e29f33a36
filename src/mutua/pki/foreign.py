"""What cryptography does with foreign bytes besides returning a value or raising: it warns, and it gives up."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from cryptography.exceptions import InternalError

from mutua.errors import Unreadable


@contextmanager
def parsing(refusal: Unreadable) -> Iterator[None]:
    """Run a parser of cryptography: its warnings are dropped, and where it gives up ``refusal`` is raised.

    It gives up with ``InternalError`` where OpenSSL says no unexpectedly, as for an X448 key of the wrong length. A
    panic of its Rust code arrives as a ``BaseException`` of a class that cannot be imported, as for a PEM key whose
    ``DEK-Info`` holds too short an initialization vector. The warnings tell of deprecated encodings, such as a
    negative serial number or BER in PKCS#12, which are the sender's and not ours to repeat.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except InternalError:
            raise refusal from None
        except BaseException as error:
            if type(error).__name__ != "PanicException":
                raise
            raise refusal from None
