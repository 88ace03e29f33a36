"""Distinguished names in text: read strictly, written as Open Finance Brasil wants them."""

import subprocess
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.name import _ASN1Type
from hypothesis import given
from hypothesis import strategies as st

from mutua.errors import InvalidDistinguishedName, MutuaError
from mutua.pki.dn import MAX_ATTRIBUTES, MAX_DN_CHARACTERS, Attribute, DistinguishedName
from mutua.pki.dn.attribute_types import READ, WRITTEN
from tests.pki.distinguished import OFB, OFB_ATTRIBUTES, dn, name_of, names
from tests.pki.hierarchy import NOW, key_of

CN, ORGANIZATION, COUNTRY = "2.5.4.3", "2.5.4.10", "2.5.4.6"


def certificate(subject: x509.Name) -> x509.Certificate:
    key = key_of("end entity")
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, NOW, NOW + timedelta(days=1))
    return x509.load_der_x509_certificate(builder.sign(key, SHA256()).public_bytes(Encoding.DER))


def refusal(text: str) -> str:
    with pytest.raises(InvalidDistinguishedName) as caught:
        DistinguishedName.parse(text)
    assert caught.value.hint
    assert "\n" not in caught.value.message
    return caught.value.message.removeprefix("not a distinguished name: ")


def test_the_normative_name_of_open_finance_brasil_is_read_and_written_back_the_same() -> None:
    read = DistinguishedName.parse(OFB)
    assert [(each.oid, each.text) for each in read.attributes] == OFB_ATTRIBUTES
    assert str(read) == OFB


def test_a_certificate_of_that_name_is_written_so_and_matches() -> None:
    subject = DistinguishedName.of(certificate(name_of(*OFB_ATTRIBUTES)).subject)
    assert str(subject) == OFB
    assert subject.matches(DistinguishedName.parse(OFB))


def test_as_people_type_it_the_name_is_written_the_same() -> None:
    typed = (
        "cn=web.conftpp.directory.openbankingbrasil.org.br,uid=bc97b8f0-cae0-4f2f-9978-d93f0e56a833,"
        "OrganizationIdentifier=OFBBR-d7384bd0-842f-43c5-be02-9d2b2d5efc2c,l=Sao Paulo,st=SP,"
        "o=Chicago Advisory Partners,c=BR,SERIALNUMBER=43142666000197,jurisdictionCountryName=BR,"
        "businessCategory=Private Organization"
    )
    assert str(DistinguishedName.parse(typed)) == OFB


def test_what_openssl_shows_of_it_is_read(peer: Callable[[str], str], tmp_path: Path) -> None:
    shown = openssl_subject(peer("openssl"), certificate(name_of(*OFB_ATTRIBUTES)), tmp_path)
    assert "businessCategory=Private Organization" in shown
    assert str(DistinguishedName.parse(shown)) == OFB


@pytest.mark.parametrize(
    "value",
    [
        *("plain", "#hash", " space ", "  ", 'a,b+c;d<e>f"g\\h', "=", "São Paulo", "\u4e2d\u6587", "a#b", "\\"),
        *("tab\tand\nline", "\x7f", "trailing \n", "\n "),
    ],
)
def test_openssl_writes_the_same_text(value: str, peer: Callable[[str], str], tmp_path: Path) -> None:
    subject = name_of((COUNTRY, "BR"), (ORGANIZATION, value), ("0.9.2342.19200300.100.1.25", "example"), (CN, value))
    shown = openssl_subject(peer("openssl"), certificate(subject), tmp_path)
    assert str(DistinguishedName.of(subject)) == shown
    assert DistinguishedName.parse(shown).match_key == DistinguishedName.of(subject).match_key


def openssl_subject(openssl: str, made: x509.Certificate, folder: Path) -> str:
    (folder / "made.pem").write_bytes(made.public_bytes(Encoding.PEM))
    command = [openssl, "x509", "-in", "made.pem", "-noout", "-subject", "-nameopt", "RFC2253,-esc_msb"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=True, timeout=60)
    return done.stdout.decode().removeprefix("subject=").removesuffix("\n")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r"CN=Lu\C4\8Di\C4\87", "Lučić"),
        (r"CN=James \"Jim\" Smith\, III", 'James "Jim" Smith, III'),
        (r"CN=Before\0dAfter", "Before\rAfter"),
        (r"CN=\ \ a\ ", "  a "),
        (r"CN=\ ", " "),
        (r"CN=\#a\=\2b\2C", "#a=+,"),
        ("CN=a=b#c", "a=b#c"),
        ("CN=", ""),
        (r"CN=\00", "\0"),
        ("CN=#0C0161", "a"),
        ("CN=#0c810161", "a"),
        ("CN=#1e040061010d", "ač"),
        ("CN=#1c0400000061", "a"),
        ("2.5.4.3=a", "a"),
        ("commonName=a", "a"),
        ("2.5.4.3=a\nb", "a\nb"),
    ],
)
def test_values_are_read(text: str, value: str) -> None:
    (attribute,) = DistinguishedName.parse(text).attributes
    assert (attribute.oid, attribute.text) == (CN, value)


def test_the_most_specific_stands_first_and_is_encoded_last() -> None:
    assert DistinguishedName.parse("CN=a,O=b,C=BR") == DistinguishedName.of(
        name_of((COUNTRY, "BR"), (ORGANIZATION, "b"), (CN, "a"))
    )


def test_an_rdn_of_several_attributes_is_a_set() -> None:
    several = DistinguishedName.parse("OU=Sales+CN=J. Smith,DC=example,DC=net")
    assert several == DistinguishedName.parse("CN=J. Smith+OU=Sales,DC=example,DC=net")
    assert [len(rdn) for rdn in several.rdns] == [1, 1, 2]
    assert str(several) == "CN=J. Smith+OU=Sales,DC=example,DC=net"
    attributes = [x509.NameAttribute(x509.NameOID.COMMON_NAME, each) for each in ("bb", "a")]
    built = x509.Name([x509.RelativeDistinguishedName(attributes)])
    assert DistinguishedName.of(built) == DistinguishedName.of(certificate(built).subject)
    assert str(DistinguishedName.of(built)) == "CN=a+CN=bb"


@pytest.mark.parametrize(("oid", "name"), sorted(WRITTEN.items()))
def test_the_names_of_rfc_4514_section_3_are_written(oid: str, name: str) -> None:
    assert str(DistinguishedName.parse(f"{oid}=ab")) == f"{name}=ab"


def test_there_are_nine_of_them_and_others_are_written_as_oids() -> None:
    assert set(WRITTEN.values()) == {"CN", "L", "ST", "O", "OU", "C", "STREET", "DC", "UID"}
    for name in set(READ) - {key for key, oid in READ.items() if oid in WRITTEN}:
        written = str(DistinguishedName.parse(f"{name.upper()}=ab"))
        assert written.startswith(f"{READ[name]}=#"), name


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("serialNumber=1", "2.5.4.5=#130131"),
        ("serialNumber=ç", "2.5.4.5=#0c02c3a7"),
        ("emailAddress=a@b", "1.2.840.113549.1.9.1=#1603614062"),
        ("emailAddress=ç", "1.2.840.113549.1.9.1=#0c02c3a7"),
        ("title=a", "2.5.4.12=#0c0161"),
        ("2.999.1=a", "2.999.1=#0c0161"),
    ],
)
def test_text_is_encoded_in_the_string_type_of_its_attribute(text: str, encoded: str) -> None:
    assert str(DistinguishedName.parse(text)) == encoded


def test_text_that_its_type_cannot_hold_is_written_in_hexadecimal() -> None:
    assert str(dn((CN, "é"), kind=_ASN1Type.T61String)) == "CN=#1402c3a9"
    assert str(dn((CN, "a"), kind=_ASN1Type.OctetString)) == "CN=#040161"
    assert str(dn((CN, "a"), kind=_ASN1Type.T61String)) == "CN=a"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("CN", "at character 1, before 'CN': here belongs an attribute type"),
        ("CN=a,", "at character 6, at the end: here belongs an attribute type"),
        (",", "at character 1"),
        ("=a", "at character 1"),
        ("CN=a++O=b", "at character 6"),
        ("CN=a, O=b", "at character 6, before ' O=b'"),
        ("CN = a", "at character 1"),
        ("CN= a", "begins with a space"),
        ("CN=a ,O=b", "a value ends here"),
        ("CN=a ", "a value ends here"),
        ('CN="a"', r"""'"' cannot stand here; in a value it is written \22"""),
        ("CN=a;O=b", r"';' cannot stand here"),
        ("CN=a\0", r"'\x00' cannot stand here; in a value it is written \00"),
        ("CN=a\\", "behind a backslash"),
        ("CN=\\zz", "behind a backslash"),
        ("CN=\\ff", "not UTF-8"),
        ("CN=\\c3,O=\\a9", "not UTF-8"),
        ("CN=\ud800", "not UTF-8"),
        ("CN=\\ud8", "behind a backslash"),
        ("CNN=a", "no attribute type is called 'CNN'; give its OID"),
        ("OID.2.5.4.3=a", "at character 1"),
        ("2.5.4.03=a", "is not an OID"),
        ("2=a", "is not an OID"),
        ("3.1=a", "is not an OID"),
        ("1.40=a", "is not an OID"),
        ("2.5..4=a", "here belongs an attribute type"),
        (f"2.{'1' * 5000}=a", "is not an OID"),
        ("CN=#", "behind # belongs BER"),
        ("CN=#0", "behind # belongs BER"),
        ("CN=#xy", "behind # belongs BER"),
        ("CN=#0c0161 ", "a value ends here"),
        ("CN=#0c016", "behind # belongs BER"),
        ("CN=#0c0261", "the DER is cut short"),
        ("CN=#0c0061", "bytes follow"),
        ("CN=#2c030c0161", "not one of a string in one piece"),
        ("CN=#300361", "the DER is cut short"),
        ("CN=#0000", "not one of a string in one piece"),
        ("CN=#0c800000", "indefinite length"),
        ("CN=a+CN=a", "has the same CN twice"),
        ("/C=BR/CN=a", "at character 1"),
    ],
)
def test_what_rfc_4514_does_not_allow_is_refused(text: str, why: str) -> None:
    assert why in refusal(text)


def test_length_and_number_of_attributes_have_limits() -> None:
    DistinguishedName.parse("CN=" + "a" * (MAX_DN_CHARACTERS - 3))
    assert refusal("CN=" + "a" * (MAX_DN_CHARACTERS - 2)) == "it has 8193 characters, and 8192 are the most"
    DistinguishedName.parse(",".join(["CN=a"] * MAX_ATTRIBUTES))
    for separator in ",+":
        attributes = separator.join(f"CN={number}" for number in range(MAX_ATTRIBUTES + 1))
        assert refusal(attributes) == "it has more than 64 attributes"


def test_of_a_name_with_thousands_of_attributes_few_are_read() -> None:
    flat = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a")] * 9000)
    wide = [x509.NameAttribute(x509.NameOID.COMMON_NAME, str(number)) for number in range(9000)]
    rdn = x509.RelativeDistinguishedName(wide)
    for name in (flat, x509.Name([rdn]), x509.Name([rdn, rdn])):
        read = DistinguishedName.of(name)
        assert len(read.attributes) == MAX_ATTRIBUTES + 1
        assert read.match_key is None
        assert read.flaw == "it has more than 64 attributes"


def test_an_empty_text_is_the_empty_name() -> None:
    assert DistinguishedName.parse("") == DistinguishedName.of(x509.Name([])) == DistinguishedName(())
    assert str(DistinguishedName(())) == ""


@given(names())
def test_every_name_that_cryptography_builds_comes_back_from_its_text(name: x509.Name) -> None:
    original = DistinguishedName.of(name)
    text = str(original)
    read = DistinguishedName.parse(text)
    assert str(read) == text
    assert read.match_key == original.match_key
    assert shape(read) == shape(original)
    assert not set(text) & set(map(chr, range(32)))


@given(names())
def test_a_name_that_was_encoded_and_read_is_the_same(name: x509.Name) -> None:
    try:
        read = x509.Name.from_bytes(name.public_bytes())
    except ValueError:
        return  # cryptography writes PrintableStrings that it does not read
    assert DistinguishedName.of(read) == DistinguishedName.of(name)


def shape(name: DistinguishedName) -> list[list[tuple[str, str]]]:
    return [sorted((each.oid, each.value) for each in rdn) for rdn in name.rdns]


@given(names())
def test_what_cryptography_writes_is_read_the_same(name: x509.Name) -> None:
    ours = DistinguishedName.of(name)
    if all(each.text for each in ours.attributes):  # bytes without a type it writes as if they were BER
        assert shape(DistinguishedName.parse(name.rfc4514_string())) == shape(ours)


FRAGMENTS = ["CN", "2.5.4.97", "=", "#", "0c0161", "+", ",", "\\", " ", '"', "é", "\0", "\\41", "\\c3", "a", ";", OFB]


@given(st.one_of(st.text(), st.lists(st.sampled_from(FRAGMENTS)).map("".join), st.text("CN=,+#\\0 cé1.2")))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(MutuaError):
        read = DistinguishedName.parse(text)
        assert DistinguishedName.parse(str(read)).match_key == read.match_key
        assert bool(read.flaw) is (read.match_key is None)


@given(st.binary(max_size=40))
def test_any_ber_is_read_or_refused(octets: bytes) -> None:
    with suppress(MutuaError):
        read = DistinguishedName.parse(f"CN=#{octets.hex()}")
        assert DistinguishedName.parse(str(read)).match_key == read.match_key


def test_an_attribute_says_what_it_is() -> None:
    attribute = Attribute.of_text("2.5.4.97", "OFBBR-1")
    assert (attribute.name, attribute.value, str(attribute)) == (
        "organizationIdentifier",
        "OFBBR-1",
        "2.5.4.97=#0c074f464242522d31",
    )
    unknown = Attribute("2.999", 0x04, b"a")
    assert (unknown.name, unknown.text, unknown.value) == ("2.999", None, "#040161")
