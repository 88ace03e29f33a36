"""Valid input, damaged: what a reader of foreign bytes must survive."""

from collections.abc import Sequence

from hypothesis import strategies as st

_TELLING = b"\x00\x01\x02\x05\x30\x31\x7f\x80\x82\x84\xa0\xff\n-="


@st.composite
def mutated(draw: st.DrawFn, originals: Sequence[bytes]) -> bytes:
    """One of the originals with up to four bytes flipped, replaced, deleted or inserted, cut short, or joined."""
    data = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["flip", "replace", "delete", "insert", "repeat", "cut", "join"])):
            case "flip" if place < len(data):
                data[place] ^= 1 << draw(st.integers(0, 7))
            case "replace" if place < len(data):
                data[place] = draw(st.sampled_from(_TELLING))
            case "delete":
                del data[place : place + draw(st.sampled_from([1, 2, 5, 40]))]
            case "insert":
                data[place:place] = draw(st.binary(min_size=1, max_size=8))
            case "repeat":
                data[place:place] = data[place : place + 24]
            case "cut":
                del data[place:]
            case "join":
                data += draw(st.sampled_from(originals))
    return bytes(data)


def foreign(originals: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Arbitrary bytes, or damaged originals, mostly the latter."""
    return st.one_of(mutated(originals), mutated(originals), mutated(originals), st.binary(max_size=300))
