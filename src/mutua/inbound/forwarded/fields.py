"""The header fields of a request, before a dialect reads them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mutua.errors import InvalidSettings
from mutua.inbound.forwarded.certificate import malformed

Values = Mapping[str, Sequence[bytes]]
"""For each lower-case field name its values, one for each line, as they came and in their order."""

MAX_FIELD_BYTES = 64 * 1024
"""Of all lines that a dialect reads: what AWS's load balancers allow for all headers together; Envoy allows 60 KiB."""

_LINE_OVERHEAD = len(b": \r\n")
_PRINTABLE = bytes(range(0x20, 0x7F))
_FIELD_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,128}")


@dataclass(frozen=True, slots=True)
class Fields:
    """The lines of the fields that a dialect names, at most 64 KiB, printable ASCII and nothing else."""

    lines: Mapping[str, tuple[bytes, ...]]

    @classmethod
    def take(cls, values: Values, names: Sequence[str]) -> "Fields":
        """Those of ``names`` out of a request's.

        Raises:
            MalformedForward: they are too long, or have bytes that no certificate in a header has, such as CR or LF.
        """
        lines = {name: tuple(values.get(name, ())) for name in names}
        size = sum(len(name) + len(line) + _LINE_OVERHEAD for name, each in lines.items() for line in each)
        if size > MAX_FIELD_BYTES:
            raise malformed(names[0], f"and those beside it have {size} bytes, more than {MAX_FIELD_BYTES}")
        for name, each in lines.items():
            if any(line.translate(None, _PRINTABLE) for line in each):
                raise malformed(name, "has bytes that are not printable ASCII")
        return cls(lines)

    def one(self, name: str) -> bytes:
        """The value of a field that is there once at most; empty where it is absent or empty.

        Raises:
            MalformedForward: it has several lines.
        """
        lines = self.lines[name]
        if len(lines) > 1:
            raise malformed(name, f"is there {len(lines)} times")
        return lines[0] if lines else b""

    def joined(self, name: str) -> bytes:
        """The value of a field that is a list, over all its lines (RFC 9110 section 5.3)."""
        return b", ".join(self.lines[name])


def check_names(*names: str) -> None:
    """Refuse names that no request can have.

    Raises:
        InvalidSettings: one is not a lower-case field name (RFC 9110 section 5.1), or two are the same.
    """
    for name in names:
        if not _FIELD_NAME.fullmatch(name):
            raise InvalidSettings(
                f"{name!r} is not a header name in lower case", hint='write it like "x-ssl-client-cert"'
            )
    if len(set(names)) < len(names):
        raise InvalidSettings("two of a dialect's headers have the same name", hint="give each a name of its own")
