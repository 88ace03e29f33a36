r"""String preparation for matching (RFC 4518), with one difference: a control character is refused, not dropped.

RFC 4518 takes NUL and its like out before it compares, so that ``bank\0.evil`` would be ``bank.evil``. Such a value
matches nothing here. Everything else is as the RFC has it, and rests on Unicode 3.2 as it does: on every Python a
value comes out the same, and a character that is younger matches nothing.
"""

import unicodedata
from functools import lru_cache
from stringprep import map_table_b2

_UNICODE = unicodedata.ucd_3_2_0
_SPACES = frozenset("\t\n\v\f\r\x85")
_NOTHING = frozenset(
    chr(code)
    for first, last in (
        *((0x00AD, 0x00AD), (0x034F, 0x034F), (0x06DD, 0x06DD), (0x070F, 0x070F), (0x1806, 0x1806), (0x180B, 0x180E)),
        *((0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x2063), (0x206A, 0x206F), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF)),
        *((0xFFF9, 0xFFFC), (0x1D173, 0x1D17A), (0xE0001, 0xE0001), (0xE0020, 0xE007F)),
    )
    for code in range(first, last + 1)
)
_PROHIBITED = {"Cc": "a control character", "Cn": "not assigned", "Co": "for private use", "Cs": "half a character"}
_REPLACEMENT = "\ufffd"
_ALONE = "\0"  # stands for a space that a mark is written on, while the others are folded


def prepare(text: str, *, fold_case: bool) -> str | None:
    """The form of a value in which equal ones are equal texts; it has no control characters.

    Args:
        text: the value.
        fold_case: for caseIgnoreMatch and caseIgnoreIA5Match; without it for caseExactMatch (RFC 4517 section 4.2).

    Returns:
        ``None`` for a value that matches nothing.
    """
    if text.isascii() and text.isprintable():
        return " ".join((text.lower() if fold_case else text).split())
    normal = _normal(text, fold_case=fold_case)
    return None if any(map(_why_prohibited, set(normal))) else _fold_spaces(normal)


def prohibited(text: str) -> str:
    """The first character for which a value matches nothing, and why; empty where there is none."""
    for character in _normal(text, fold_case=False):
        if why := _why_prohibited(character):
            return f"U+{ord(character):04X}, which is {why}"
    return ""


def _normal(text: str, *, fold_case: bool) -> str:
    """After the steps Map and Normalize (sections 2.2 and 2.3)."""
    return _UNICODE.normalize("NFKC", "".join(_mapped(character, fold_case) for character in text))


@lru_cache(maxsize=4096)
def _mapped(character: str, fold_case: bool) -> str:  # noqa: FBT001 -- a cache takes it faster by its place
    if character in _NOTHING:
        return ""
    if character in _SPACES or _UNICODE.category(character).startswith("Z"):
        return " "
    folded = map_table_b2(character) if fold_case else character
    # Some letters of Unicode 3.2 got lower-case ones later.
    return character if any(_UNICODE.category(each) == "Cn" for each in folded) else folded


def _why_prohibited(character: str) -> str:
    """Why the step Prohibit fails (section 2.4); empty where it does not."""
    if character == _REPLACEMENT:
        return "what stands for a character that was lost"
    return _PROHIBITED.get(_UNICODE.category(character), "")


def _fold_spaces(text: str) -> str:
    """Drop them at both ends and make one of several, unless a combining mark is written on it (section 2.6.1)."""
    marked = text
    for mark in filter(_is_mark, set(text)):
        marked = marked.replace(f" {mark}", _ALONE + mark)
    return " ".join(filter(None, marked.split(" "))).replace(_ALONE, " ")


def _is_mark(character: str) -> bool:
    return _UNICODE.category(character).startswith("M")
