"""Distinguished names to test with: Open Finance Brasil's, and whatever cryptography can build."""

from typing import Any

from cryptography import x509
from cryptography.x509.name import _ASN1Type
from hypothesis import strategies as st

from mutua.pki.dn import Attribute, DistinguishedName
from mutua.pki.dn.attribute_types import SHOWN

OFB = (
    "CN=web.conftpp.directory.openbankingbrasil.org.br,UID=bc97b8f0-cae0-4f2f-9978-d93f0e56a833,"
    "2.5.4.97=#0c2a4f464242522d64373338346264302d383432662d343363352d626530322d396432623264356566633263,"
    "L=Sao Paulo,ST=SP,O=Chicago Advisory Partners,C=BR,2.5.4.5=#130e3433313432363636303030313937,"
    "1.3.6.1.4.1.311.60.2.1.3=#13024252,2.5.4.15=#0c1450726976617465204f7267616e697a6174696f6e"
)
"""The normative name of the Open Finance Brasil certificate standard 2.1, section 9.5."""

OFB_ATTRIBUTES = [
    ("2.5.4.15", "Private Organization"),
    ("1.3.6.1.4.1.311.60.2.1.3", "BR"),
    ("2.5.4.5", "43142666000197"),
    ("2.5.4.6", "BR"),
    ("2.5.4.10", "Chicago Advisory Partners"),
    ("2.5.4.8", "SP"),
    ("2.5.4.7", "Sao Paulo"),
    ("2.5.4.97", "OFBBR-d7384bd0-842f-43c5-be02-9d2b2d5efc2c"),
    ("0.9.2342.19200300.100.1.1", "bc97b8f0-cae0-4f2f-9978-d93f0e56a833"),
    ("2.5.4.3", "web.conftpp.directory.openbankingbrasil.org.br"),
]
"""What a certificate of that name is made of, in the order in which it is encoded."""

_COUNTRIES = {"2.5.4.6", "1.3.6.1.4.1.311.60.2.1.3"}
_TEXT_TYPES = [each for each in _ASN1Type if each is not _ASN1Type.BitString]
_CHARACTERS = st.one_of(
    st.sampled_from(' #"+,;<>\\=\0\n\x7f\xa0aAbBéß\u0301\u200b\ufffd'), st.characters(exclude_categories=["Cs"])
)
_OIDS = st.one_of(
    st.sampled_from(sorted(SHOWN)),
    st.lists(st.integers(0, 2**40), min_size=1, max_size=4).map(lambda arcs: ".".join(map(str, (2, 5, *arcs)))),
)


def name_of(*attributes: tuple[str, str]) -> x509.Name:
    """A name as cryptography builds it, one attribute to an RDN."""
    return x509.Name([x509.NameAttribute(x509.ObjectIdentifier(oid), value) for oid, value in attributes])


def dn(*attributes: tuple[str, str], kind: _ASN1Type = _ASN1Type.UTF8String) -> DistinguishedName:
    """A distinguished name with values of one ASN.1 type."""
    return DistinguishedName.of(
        x509.Name([x509.NameAttribute(x509.ObjectIdentifier(oid), value, kind) for oid, value in attributes])
    )


@st.composite
def name_attributes(draw: st.DrawFn) -> x509.NameAttribute[Any]:
    """Any attribute that cryptography builds."""
    if draw(st.integers(0, 19)) == 0:
        octets = b"\0" + draw(st.binary(max_size=8))
        return x509.NameAttribute(x509.NameOID.X500_UNIQUE_IDENTIFIER, octets, _ASN1Type.BitString)
    oid = draw(_OIDS)
    text = draw(st.text(_CHARACTERS, min_size=1 if oid == "2.5.4.3" else 0, max_size=16))
    if oid in _COUNTRIES:
        text = draw(st.sampled_from(["BR", "br", "PT", " #", "+,"]))
    return x509.NameAttribute(x509.ObjectIdentifier(oid), text, draw(st.sampled_from(_TEXT_TYPES)))


@st.composite
def names(draw: st.DrawFn) -> x509.Name:
    """Any name that cryptography builds, often with several attributes in an RDN."""
    rdn = st.lists(name_attributes(), min_size=1, max_size=3, unique=True)
    return x509.Name([x509.RelativeDistinguishedName(each) for each in draw(st.lists(rdn, max_size=5))])


def rewritten(name: DistinguishedName, **values: str) -> DistinguishedName:
    """The same name with other values, by what their types are called: ``rewritten(name, CN="x")``."""
    return DistinguishedName(
        tuple(
            tuple(Attribute.of_text(each.oid, values[each.name]) if each.name in values else each for each in rdn)
            for rdn in name.rdns
        )
    )
