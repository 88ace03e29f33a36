from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mutua.errors import UnreadableContents
from mutua.pki.certificates import write_der
from mutua.pki.der import (
    BIT_STRING,
    INTEGER,
    MAX_DEPTH,
    MAX_MEMBERS,
    OCTET_STRING,
    SEQUENCE,
    SET,
    Element,
    definite,
    dotted,
    encode,
    encode_identifier,
    encode_integer,
    first_element,
    member_tags,
    read_der,
)
from tests.pki.bombs import indefinite
from tests.pki.hierarchy import client

UNTIMED = settings(deadline=None)  # a slow machine is no finding


def _structure(tag: int, inner: bytes) -> bytes:
    return encode(tag, inner, inner)


LEAVES = st.builds(encode, st.sampled_from([INTEGER, OCTET_STRING, 0x0C, 0x80]), st.binary(max_size=300))
TREES = st.recursive(LEAVES, lambda inner: st.builds(_structure, st.sampled_from([SEQUENCE, SET, 0xA0]), inner))
FOREIGN = st.one_of(
    st.binary(max_size=200),
    st.lists(st.sampled_from([0x30, 0x24, 0x80, 0x00, 0x02, 0x04, 0x81, 0x84, 0xFF, 0x1F]), max_size=200).map(bytes),
    TREES.flatmap(lambda tree: st.integers(0, len(tree)).map(lambda end: tree[:end])),
)


@UNTIMED
@given(TREES)
def test_what_is_written_is_read(tree: bytes) -> None:
    element = read_der(tree)
    assert element.encoding == tree
    assert encode(element.tag, element.content) == tree
    if element.tag in {SEQUENCE, SET, 0xA0}:
        assert encode(element.tag, *(each.encoding for each in element.members())) == tree
        assert member_tags(tree) == tuple(each.tag for each in element.members())


@UNTIMED
@given(TREES)
def test_der_is_definite_already(tree: bytes) -> None:
    assert definite(tree) == tree


@UNTIMED
@given(TREES)
def test_ber_is_made_definite(tree: bytes) -> None:
    assert definite(indefinite(tree)) == tree


@UNTIMED
@given(FOREIGN)
@example(b"")
@example(b"\x30\x80\x00")
@example(b"\x04\x80\x00\x00")
@example(b"\x30\x03\x24\x80\x00\x00\x00")
@example(b"\x24\x02\x30\x00")
def test_foreign_bytes_give_a_value_or_an_error_of_ours(data: bytes) -> None:
    readers: list[Callable[[bytes], object]] = [
        lambda data: read_der(data).members(),
        first_element,
        definite,
        member_tags,
        lambda data: member_tags(data, 0, 0),
    ]
    for read in readers:
        with suppress(UnreadableContents):
            read(data)


@UNTIMED
@given(FOREIGN)
def test_what_is_made_definite_has_no_indefinite_length_left(data: bytes) -> None:
    try:
        made = definite(data)
    except UnreadableContents:
        return
    assert definite(made) == made
    assert read_der(made).encoding == made


@pytest.mark.parametrize("value", [0, 1, 127, 128, 255, 256, 2**64, 2**2047 + 1])
def test_integers_come_back(value: int) -> None:
    assert read_der(encode_integer(value)).integer() == value


@pytest.mark.parametrize("name", ["1.2.840.113549.1.7.1", "2.5.29.14", "0.9", "2.16.840.1.101.3.4.1.42", "1.3.101.112"])
def test_identifiers_come_back(name: str) -> None:
    assert dotted(encode_identifier(name)) == name


def test_identifiers_are_those_of_the_standard() -> None:
    # X.690 section 8.19.5.
    assert encode_identifier("2.999.3") == bytes.fromhex("0603883703")
    assert dotted(bytes.fromhex("0603883703")) == "2.999.3"
    assert dotted(bytes.fromhex("0600")) == ""


@UNTIMED
@given(st.binary(max_size=20))
def test_any_identifier_has_a_text(content: bytes) -> None:
    assert set(dotted(encode(0x06, content))) <= set("0123456789.")


@pytest.mark.parametrize("size", [0, 127, 128, 255, 256, 65535, 65536])
def test_lengths_of_every_form(size: int) -> None:
    written = encode(OCTET_STRING, bytes(size))
    assert read_der(written).octets() == bytes(size)


def test_a_certificate_is_looked_at_without_a_copy() -> None:
    der = write_der(client().certificate)
    assert member_tags(der) == (SEQUENCE, SEQUENCE, BIT_STRING)
    assert member_tags(der, 0)[:3] == (0xA0, INTEGER, SEQUENCE)
    assert member_tags(der, 0, 0) == (INTEGER,)
    with pytest.raises(UnreadableContents, match="too few"):
        member_tags(der, 3)
    with pytest.raises(UnreadableContents, match="plain value"):
        member_tags(der, 0, 1)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "cut short"),
        (b"\x30", "cut short"),
        (b"\x30\x05\x02\x01", "cut short"),
        (b"\x30\x00\x00", "bytes follow"),
        (b"\x30\x80\x00\x00", "indefinite"),
        (b"\x1f\x81\x01\x00", "tag of more than one byte"),
        (b"\x30\x85\x00\x00\x00\x00\x01\x00", "length"),
        (b"\x30\x84\xff\xff\xff\xff", "cut short"),
        (b"\x30\x82\x01", "length"),
    ],
)
def test_what_is_damaged_is_told(data: bytes, told: str) -> None:
    with pytest.raises(UnreadableContents, match=told):
        read_der(data)


def test_a_value_of_another_kind_is_told() -> None:
    with pytest.raises(UnreadableContents, match="0x30 belongs"):
        read_der(b"\x02\x01\x05").expect(SEQUENCE)
    with pytest.raises(UnreadableContents, match="plain value"):
        read_der(b"\x02\x01\x05").members()
    for read in (Element.integer, Element.identifier):
        with pytest.raises(UnreadableContents):
            read(read_der(b"\x04\x01\x05"))


def test_depth_and_members_have_limits() -> None:
    deep = b""
    for _ in range(MAX_DEPTH + 1):
        deep = encode(SEQUENCE, deep)
    assert definite(deep) == deep
    with pytest.raises(UnreadableContents, match=f"deeper than {MAX_DEPTH}"):
        definite(encode(SEQUENCE, deep))
    wide = encode(SEQUENCE, b"\x05\x00" * MAX_MEMBERS)
    assert len(read_der(wide).members()) == MAX_MEMBERS
    with pytest.raises(UnreadableContents, match=f"more than {MAX_MEMBERS}"):
        read_der(encode(SEQUENCE, b"\x05\x00" * (MAX_MEMBERS + 1))).members()


def test_a_member_that_ends_outside_is_told() -> None:
    with pytest.raises(UnreadableContents, match="outside"):
        definite(b"\x30\x02\x30\x80\x00\x00")
    with pytest.raises(UnreadableContents, match="cut short"):
        read_der(b"\x30\x02\x04\x05").members()
