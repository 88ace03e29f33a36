"""A client certificate as a proxy forwards it: split and decoded, not yet parsed and never yet believed."""

from dataclasses import dataclass, field

from mutua.errors import MalformedForward, UnreadableContents
from mutua.pki.chains import MAX_GIVEN
from mutua.pki.der import SEQUENCE, encode, first_element, read_der

MAX_DER_BYTES = 16 * 1024
"""Of one certificate. AWS's load balancers carry no longer header, HAProxy no longer request, unless told to."""

HINT = "let the proxy set its headers on every request, and pass none of that name on from the client"


@dataclass(frozen=True, slots=True)
class ForwardedCertificate:
    """What the client showed to the proxy.

    Attributes:
        leaf: the client's certificate in DER.
        chain: the other certificates that the proxy sent, in DER and in its order, without the leaf; may be empty.

    Raises:
        MalformedForward: one of them is not exactly one DER SEQUENCE of at most 16 KiB, or there are more than 100.
    """

    leaf: bytes = field(repr=False)
    chain: tuple[bytes, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if len(self.chain) > MAX_GIVEN:
            raise MalformedForward(f"the proxy forwards {len(self.chain)} certificates of a chain", hint=HINT)
        for each in (self.leaf, *self.chain):
            if len(each) > MAX_DER_BYTES:
                raise MalformedForward(f"the proxy forwards a certificate of {len(each)} bytes", hint=HINT)
            if not _is_one_sequence(each):
                raise MalformedForward("the proxy forwards something that is no certificate in DER", hint=HINT)


def split_der(name: str, data: bytes) -> tuple[bytes, ...]:
    """The elements of concatenated DER, at most one more than a chain may have.

    Args:
        name: the header that it comes from, for the error.
        data: certificates in DER, one behind the other.

    Raises:
        MalformedForward: the last is cut short.
    """
    found: list[bytes] = []
    while data and len(found) <= MAX_GIVEN:
        try:
            element = first_element(data)
        except UnreadableContents as error:
            raise malformed(name, f"holds damaged DER: {error.message}") from None
        found.append(element.encoding)
        data = data[len(element.encoding) :]
    return tuple(found)


def malformed(name: str, what: str, *, hint: str = HINT) -> MalformedForward:
    """The error for a header: ``malformed("client-cert", "is there twice")``. The header's value is never in it."""
    return MalformedForward(f"the header {name} {what}", hint=hint)


def _is_one_sequence(data: bytes) -> bool:
    """Whether it is DER at this level too: the length written as short as it can be (X.690 section 10.1)."""
    try:
        return encode(SEQUENCE, read_der(data).expect(SEQUENCE).content) == data
    except UnreadableContents:
        return False
