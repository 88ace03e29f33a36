"""What a token's refusals mean, and what to type next."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pkcs11

from mutua.errors import TokenUnavailable
from mutua.home.tokens.pin import PIN


class Place(NamedTuple):
    """A token, as messages name it."""

    module: Path
    label: str

    def __str__(self) -> str:
        return f"the token {self.label!r}"

    @property
    def slots(self) -> str:
        """The command that lists tokens."""
        if "softhsm" in self.module.name:
            return "softhsm2-util --show-slots"
        return f"pkcs11-tool --module {shlex.quote(str(self.module))} --list-token-slots"

    @property
    def objects(self) -> str:
        """The command that lists keys, and asks for the PIN itself."""
        return f"{self._tool} --login --list-objects"

    @property
    def mechanisms(self) -> str:
        """The command that lists what the token can do."""
        return f"{self._tool} --list-mechanisms"

    @property
    def unlock(self) -> str:
        """The command with which the security officer sets the PIN."""
        return f"{self._tool} --login --login-type so --init-pin"

    @property
    def _tool(self) -> str:
        return f"pkcs11-tool --module {shlex.quote(str(self.module))} --token-label {shlex.quote(self.label)}"


class WrongSignature(pkcs11.KeyHandleInvalid):
    """The token signed, and not with the key that it was asked for."""


class NoKeyMade(pkcs11.FunctionFailed):
    """The token made no key, for a reason that it keeps to itself."""


_TRANSIENT = (
    pkcs11.NoSuchToken,
    pkcs11.NoSuchKey,
    pkcs11.TokenNotPresent,
    pkcs11.TokenNotRecognised,
    pkcs11.DeviceRemoved,
    pkcs11.DeviceError,
    pkcs11.SlotIDInvalid,
    pkcs11.SessionClosed,
    pkcs11.SessionHandleInvalid,
    pkcs11.ObjectHandleInvalid,
    pkcs11.KeyHandleInvalid,
    pkcs11.UserNotLoggedIn,
    pkcs11.OperationActive,
    pkcs11.GeneralError,
    pkcs11.FunctionFailed,
)
"""Answers after which a new session may do: the token was pulled out and is back, or restarted, or logged us out."""

PIN_HINT = f"check {PIN.variable}, {PIN.variable}_FILE or {PIN.variable}_COMMAND; some tokens lock after three tries"

_EXPLANATIONS: tuple[tuple[tuple[type[pkcs11.PKCS11Error], ...], str, str], ...] = (
    ((pkcs11.NoSuchToken,), "the module '{0.module}' has no token {0.label!r}", "{0.slots}"),
    ((pkcs11.MultipleTokensReturned,), "several tokens are called {0.label!r}", "{0.slots}"),
    ((pkcs11.PinLocked,), "the PIN of {0} is locked", "{0.unlock}"),
    ((pkcs11.PinExpired, pkcs11.UserPinNotInitialized), "the PIN of {0} has expired or was never set", "{0.unlock}"),
    ((pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange), "{0} refuses the PIN", PIN_HINT),
    ((pkcs11.NoSuchKey,), "{0} does not have the key", "{0.objects}"),
    ((pkcs11.MultipleObjectsReturned,), "{0} has several such keys", "{0.objects}"),
    ((pkcs11.TokenWriteProtected, pkcs11.SessionReadOnly), "{0} is read-only", "{0.slots}"),
    ((pkcs11.DeviceMemory,), "{0} is full", "{0.objects}"),
    ((pkcs11.SessionCount,), "{0} has no session left", "{0.slots}"),
    ((pkcs11.FunctionRejected,), "{0} does not let that key sign", "{0.objects}"),
    ((pkcs11.TemplateInconsistent,), "{0} makes no keys that stay inside", "{0.mechanisms}"),
    (
        (pkcs11.MechanismInvalid, pkcs11.KeySizeRange, pkcs11.DomainParamsInvalid, pkcs11.KeyTypeInconsistent),
        "{0} does not work with keys of that kind",
        "{0.mechanisms}",
    ),
    ((NoKeyMade,), "{0} made no key; it may be read-only, or full", "{0.slots}"),
    ((WrongSignature,), "{0} gives signatures that do not verify", "{0.objects}"),
)


def is_transient(error: pkcs11.PKCS11Error) -> bool:
    """Whether a new session may help. A library that was ended behind our back raises the root of the tree."""
    return isinstance(error, _TRANSIENT) or type(error) is pkcs11.PKCS11Error


def explain(error: Exception, place: Place) -> TokenUnavailable:
    """A token's refusal in our words."""
    for kinds, message, hint in _EXPLANATIONS:
        if isinstance(error, kinds):
            return TokenUnavailable(message.format(place), hint=hint.format(place))
    return TokenUnavailable(f"{place} does not answer as it should: {type(error).__name__}", hint=place.slots)


@contextmanager
def explained(place: Place) -> Iterator[None]:
    """Let nothing of python-pkcs11 escape."""
    try:
        yield
    except (pkcs11.PKCS11Error, ValueError, LookupError, NotImplementedError) as error:
        # The last three are what it raises for values that it cannot read.
        raise explain(error, place) from None
