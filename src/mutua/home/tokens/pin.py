"""The token's PIN, from wherever a passphrase may come from."""

from collections.abc import Mapping

from mutua.errors import TokenUnavailable
from mutua.home.passphrase import Secret, find_secret

PIN = Secret("PIN", "MUTUA_PKCS11_PIN", TokenUnavailable)


def find_pin(environment: Mapping[str, str] | None = None) -> bytes:
    """The PIN, from the first of: environment, a file it names, a command it names.

    Args:
        environment: the process's own when not given.

    Raises:
        TokenUnavailable: none of them gives one.
        UnreadableFile: the file cannot be read.
    """
    pin = find_secret(PIN, environment)
    if pin is None:
        raise TokenUnavailable("the token's PIN was not given", hint=PIN.hint)
    return pin
