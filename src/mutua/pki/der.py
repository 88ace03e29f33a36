"""A small reader and writer of DER (ITU-T X.690), for looking at foreign bytes before a parser is let loose on them.

It reads one level at a time, never deeper than asked, and copies what it reads. BER as some tools write it into
PKCS#12 (indefinite lengths, strings in pieces) is first made definite by ``definite``.
"""

from dataclasses import dataclass

from mutua.errors import UnreadableContents

MAX_DEPTH = 30
"""OpenSSL's ASN1_MAX_CONSTRUCTED_NEST."""

MAX_MEMBERS = 4096
"""Members of one SEQUENCE or SET: thirty times the certificates in the Mozilla bundle."""

MAX_LENGTH_BYTES = 4
"""Bytes of a length in the long form: 4 GiB, far above every limit of ours."""

INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OBJECT_IDENTIFIER = 0x06
BMP_STRING = 0x1E
SEQUENCE = 0x30
SET = 0x31
CONSTRUCTED = 0x20
_INDEFINITE = 0x80
_END_OF_CONTENTS = b"\x00\x00"


@dataclass(frozen=True, slots=True)
class Element:
    """One element.

    Attributes:
        tag: the identifier octet: class, constructed or not, number (X.690 section 8.1.2).
        content: the contents octets.
        encoding: the whole element as it was read.
    """

    tag: int
    content: bytes
    encoding: bytes

    def members(self) -> tuple["Element", ...]:
        """The elements in a constructed one.

        Raises:
            UnreadableContents: it is not constructed, damaged, or has more than 4096.
        """
        if not self.tag & CONSTRUCTED:
            raise UnreadableContents("the DER has a plain value where a structure belongs")
        return _elements(self.content)

    def expect(self, tag: int) -> "Element":
        """The element itself.

        Raises:
            UnreadableContents: its tag is another.
        """
        if self.tag != tag:
            raise UnreadableContents(f"the DER has the tag {self.tag:#04x} where {tag:#04x} belongs")
        return self

    def integer(self) -> int:
        """The value of an INTEGER."""
        return int.from_bytes(self.expect(INTEGER).content, signed=True)

    def octets(self) -> bytes:
        """The value of an OCTET STRING."""
        return self.expect(OCTET_STRING).content

    def identifier(self) -> bytes:
        """An OBJECT IDENTIFIER, in its encoding."""
        return self.expect(OBJECT_IDENTIFIER).encoding


def read_der(data: bytes) -> Element:
    """Read the one element that ``data`` is.

    Raises:
        UnreadableContents: it is cut short, of indefinite length, or bytes follow.
    """
    element = first_element(data)
    if len(element.encoding) != len(data):
        raise UnreadableContents("bytes follow after the end of the DER")
    return element


def first_element(data: bytes) -> Element:
    """Read the element that ``data`` begins with; what follows is passed over.

    Raises:
        UnreadableContents: it is cut short, or of indefinite length.
    """
    tag, begin, length = _header(data, 0)
    if length is None:
        raise UnreadableContents("the DER has an element of indefinite length")
    if begin + length > len(data):
        raise UnreadableContents("the DER is cut short")
    return Element(tag, data[begin : begin + length], data[: begin + length])


def is_der(data: bytes) -> bool:
    """Whether the bytes are one SEQUENCE from the first to the last.

    To be asked before anybody looks for PEM: a certificate may hold the PEM of another one in any of its fields, and
    would be taken for that one.
    """
    if data[:1] != bytes((SEQUENCE,)):
        return False
    try:
        _, begin, length = _header(data, 0)
    except UnreadableContents:
        return False
    return length is not None and begin + length == len(data)


def member_tags(data: bytes, *path: int) -> tuple[int, ...]:
    """The tags of the members of an element; nothing is copied, so that it may be as large as a CRL.

    Args:
        data: the one element that it is in.
        path: how to come to it: which member of that, which member of this, and so on; empty for ``data`` itself.

    Raises:
        UnreadableContents: it is damaged, of indefinite length, or has no such member.
    """
    outermost = _spans(data, 0, len(data))
    if len(outermost) != 1:
        raise UnreadableContents("the DER is empty, or bytes follow after its end")
    tag, begin, end = outermost[0]
    for step in path:
        try:
            tag, begin, end = _spans(data, begin, end)[step]
        except IndexError:
            raise UnreadableContents("the DER has a structure with too few members") from None
    if not tag & CONSTRUCTED:
        raise UnreadableContents("the DER has a plain value where a structure belongs")
    return tuple(tag for tag, _begin, _end in _spans(data, begin, end))


def encode(tag: int, *contents: bytes) -> bytes:
    """An element of the contents, one after the other."""
    content = b"".join(contents)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(length))) + length + content


def encode_integer(value: int) -> bytes:
    """An INTEGER of zero or more."""
    return encode(INTEGER, value.to_bytes(value.bit_length() // 8 + 1))


def encode_identifier(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER, such as ``1.2.840.113549.1.7.1`` (X.690 section 8.19)."""
    first, second, *arcs = map(int, dotted.split("."))
    content = b""
    for arc in (40 * first + second, *arcs):
        piece = bytes((arc & 0x7F,))
        while arc := arc >> 7:
            piece = bytes((0x80 | arc & 0x7F,)) + piece
        content += piece
    return encode(OBJECT_IDENTIFIER, content)


def dotted(identifier: bytes) -> str:
    """The dotted form of an encoded OBJECT IDENTIFIER."""
    arcs, arc = [], 0
    for byte in read_der(identifier).content:
        arc = arc << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2) if arcs else 0
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:]))) if arcs else ""


def definite(data: bytes) -> bytes:
    """Rewrite BER with definite lengths, and OCTET STRINGs in pieces as whole ones. DER comes back as it is.

    Raises:
        UnreadableContents: it is cut short, nested deeper than 30, or bytes follow.
    """
    rewritten, end = _definite(data, 0, 0)
    if end != len(data):
        raise UnreadableContents("bytes follow after the end of the BER")
    return rewritten


def _definite(data: bytes, start: int, depth: int) -> tuple[bytes, int]:
    if depth > MAX_DEPTH:
        raise UnreadableContents(f"the BER is nested deeper than {MAX_DEPTH}")
    tag, place, length = _header(data, start)
    end = None if length is None else place + length
    if end is not None and end > len(data):
        raise UnreadableContents("the BER is cut short")
    if not tag & CONSTRUCTED:
        if end is None:
            raise UnreadableContents("the BER has a plain value of indefinite length")
        return data[start:end], end
    pieces = []
    while place != end:
        if end is None and data[place : place + 2] == _END_OF_CONTENTS:
            place += 2
            break
        piece, place = _definite(data, place, depth + 1)
        if end is not None and place > end:
            raise UnreadableContents("the BER has an element that ends outside the one around it")
        pieces.append(piece)
    if tag == OCTET_STRING | CONSTRUCTED:
        return encode(OCTET_STRING, *(first_element(piece).octets() for piece in pieces)), place
    return encode(tag, *pieces), place


def _elements(data: bytes) -> tuple[Element, ...]:
    found, start = [], 0
    for tag, begin, end in _spans(data, 0, len(data)):
        found.append(Element(tag, data[begin:end], data[start:end]))
        start = end
    return tuple(found)


def _spans(data: bytes, start: int, end: int) -> list[tuple[int, int, int]]:
    """For each element between two places its tag, where its contents begin, and where they end."""
    found: list[tuple[int, int, int]] = []
    while start < end:
        if len(found) == MAX_MEMBERS:
            raise UnreadableContents(f"the DER has a structure of more than {MAX_MEMBERS} members")
        tag, begin, length = _header(data, start)
        if length is None:
            raise UnreadableContents("the DER has an element of indefinite length")
        if begin + length > end:
            raise UnreadableContents("the DER is cut short")
        start = begin + length
        found.append((tag, begin, start))
    return found


def _header(data: bytes, start: int) -> tuple[int, int, int | None]:
    """Tag, where the contents begin, and how long they are; ``None`` for an indefinite length."""
    if start + 2 > len(data):
        raise UnreadableContents("the DER is cut short")
    tag, length = data[start], data[start + 1]
    if tag & 0x1F == 0x1F:
        raise UnreadableContents("the DER has a tag of more than one byte")
    begin = start + 2
    if length == _INDEFINITE:
        return tag, begin, None
    if length > 0x80:
        size = length & 0x7F
        if size > MAX_LENGTH_BYTES or begin + size > len(data):
            raise UnreadableContents("the DER has a length that cannot be")
        return tag, begin + size, int.from_bytes(data[begin : begin + size])
    return tag, begin, length
