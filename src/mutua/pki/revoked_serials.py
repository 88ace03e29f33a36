"""The serial numbers that a CRL lists, in as little memory as they need: a million of them take 20 MiB."""

from collections.abc import Iterable, Iterator

from cryptography.x509.oid import CRLEntryExtensionOID

from mutua.errors import UnreadableCrl
from mutua.pki.der import INTEGER, SEQUENCE, encode_identifier, read_der

MAX_SERIAL_BYTES = 64
"""RFC 5280 section 4.1.2.2 allows 20; some CAs write a few more."""

_TIMES = frozenset({0x17, 0x18})  # UTCTime, GeneralizedTime
_HINT = "ask the partner for a complete CRL of its own CA (RFC 5280 section 5)"

_REASON = encode_identifier(CRLEntryExtensionOID.CRL_REASON.dotted_string)
_INVALIDITY_DATE = encode_identifier(CRLEntryExtensionOID.INVALIDITY_DATE.dotted_string)
_ISSUER = encode_identifier(CRLEntryExtensionOID.CERTIFICATE_ISSUER.dotted_string)
_REMOVED = b"\x0a\x01\x08"  # ENUMERATED 8: removeFromCRL
_TRUE = b"\x01\x01\xff"


class RevokedSerials:
    """Serial numbers, sorted, each in as many bytes as the longest.

    Args:
        serials: big-endian, without zeros in front.
    """

    __slots__ = ("_packed", "_width")

    def __init__(self, serials: Iterable[bytes] = ()) -> None:
        every = set(serials)
        self._width = max(map(len, every), default=1) or 1
        padded = [serial.rjust(self._width, b"\x00") for serial in every]
        padded.sort()
        self._packed = b"".join(padded)

    def lists(self, serial: int) -> bool:
        """Whether a serial number is among them."""
        if serial < 0 or (serial.bit_length() + 7) // 8 > self._width:
            return False
        # By hand: bisect would ask __getitem__ each time, for several times as long.
        width, packed = self._width, self._packed
        wanted = serial.to_bytes(width)
        low, high = 0, len(packed) // width
        while low < high:
            middle = (low + high) // 2
            found = packed[middle * width : (middle + 1) * width]
            if found == wanted:
                return True
            if found < wanted:
                low = middle + 1
            else:
                high = middle
        return False

    def __len__(self) -> int:
        return len(self._packed) // self._width


def revoked_serials(crl: bytes) -> RevokedSerials:
    """What a complete CRL revokes; an entry with the reason removeFromCRL revokes nothing.

    Args:
        crl: the CertificateList in DER. cryptography would write its signed part anew, which takes as long as this.

    Raises:
        UnreadableCrl: an entry may be another CA's, has a critical extension that is not understood, or is damaged.
    """
    return RevokedSerials(_entries(crl))


def _entries(data: bytes) -> Iterator[bytes]:
    found = _list_of_entries(data)
    if found is None:
        return
    at, end = found
    while at < end:
        # A million times: what is usual is read right here, and only the rest taken apart.
        begin, stop = at + 2, at + 2 + data[at + 1] if at + 1 < end else end + 1
        if data[at] != SEQUENCE or stop - begin >= 0x80 or stop > end:
            begin, stop = _span(data, at, end, SEQUENCE)
        serial = begin + 2
        if serial + 2 > stop or data[begin] != INTEGER:
            raise _damaged()
        size = data[begin + 1]
        time = serial + size
        if not 0 < size <= MAX_SERIAL_BYTES or time + 2 > stop or data[serial] >= 0x80 or data[time] not in _TIMES:
            raise _damaged()
        rest = time + 2 + data[time + 1]
        if rest > stop:
            raise _damaged()
        at = stop
        if rest < stop and _is_removed(data[rest:stop]):
            continue
        yield data[serial:time].lstrip(b"\x00")


def _list_of_entries(data: bytes) -> tuple[int, int] | None:
    """Where the entries are: in the SEQUENCE behind the times (RFC 5280 section 5.1)."""
    at, end = _span(data, *_span(data, 0, len(data), SEQUENCE), SEQUENCE)
    timed = False
    while at < end:
        tag = data[at]
        begin, at = _span(data, at, end, tag)
        if timed and tag == SEQUENCE:
            return begin, at
        timed = timed or tag in _TIMES
    return None


def _is_removed(extensions: bytes) -> bool:
    if not (_TRUE in extensions or _REMOVED in extensions or _ISSUER in extensions):
        return False
    removed = False
    for each in read_der(extensions).members():
        identifier, *others = each.members()
        critical = len(others) > 1
        if identifier.encoding == _ISSUER:
            raise UnreadableCrl("the CRL lists other CAs' certificates, and indirect ones are not taken", hint=_HINT)
        if critical and identifier.encoding not in {_REASON, _INVALIDITY_DATE}:
            raise UnreadableCrl("an entry of the CRL has a critical extension that is not understood", hint=_HINT)
        if identifier.encoding == _REASON:
            removed = others[-1].octets() == _REMOVED
    return removed


def _span(data: bytes, at: int, end: int, tag: int) -> tuple[int, int]:
    """Where the contents of the element at a place begin and end."""
    if at + 2 > end or data[at] != tag:
        raise _damaged()
    begin, length = at + 2, data[at + 1]
    if length >= 0x80:
        size = length & 0x7F
        if not 0 < size <= 4 or begin + size > end:
            raise _damaged()
        length = int.from_bytes(data[begin : begin + size])
        begin += size
    if begin + length > end:
        raise _damaged()
    return begin, begin + length


def _damaged() -> UnreadableCrl:
    return UnreadableCrl("the entries of the CRL cannot be read", hint=_HINT)
