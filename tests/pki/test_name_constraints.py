"""Name constraints of every kind: what is inside, what is outside, and what nobody can compare."""

from collections.abc import Callable, Sequence

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from mutua.pki import chains
from mutua.pki.chains import PermittedNames
from tests.pki.crafted import DIRECTORY, DNS, IP, MAIL, ROOT, URI, Made, altered, constraints, dn, key_called, make


@pytest.mark.parametrize(
    ("base", "inside", "outside"),
    [
        (DNS("acme.example"), ["acme.example", "API.Acme.Example", "*.acme.example", "acme.example."],
         ["notacme.example", "example", "acme.example.evil"]),
        (DNS(".acme.example"), ["api.acme.example"], ["acme.example", "notacme.example"]),
        (DNS(""), ["anything.example"], []),
        (DNS("acme.example."), ["api.acme.example"], ["api.other.example"]),
        (IP("10.0.0.0/8"), ["10.1.2.3"], ["11.0.0.1", "::a00:1"]),
        (IP("2001:db8::/32"), ["2001:db8::1"], ["2001:db9::1", "10.0.0.1"]),
        (MAIL("ops@acme.example"), ["ops@ACME.example"], ["dev@acme.example", "Ops@acme.example"]),
        (MAIL("acme.example"), ["ops@acme.example"], ["ops@mail.acme.example", "ops@notacme.example"]),
        (MAIL(".acme.example"), ["ops@mail.acme.example"], ["ops@acme.example"]),
        (URI("acme.example"), ["spiffe://acme.example/pay", "https://u@ACME.example:8443/"],
         ["https://api.acme.example/", "https://evil.example/acme.example", "https://acme.example@evil.example/"]),
        (URI(".acme.example"), ["https://api.acme.example/"], ["https://acme.example/"]),
        (DIRECTORY(dn("C=BR/O=Acme")), ["C=BR/O=acme/CN=woovi", "C=BR/O= ACME "], ["O=Acme/C=BR", "C=BR", "O=Acme"]),
    ],
    ids=str,
)  # fmt: skip
def test_names_are_held_to_the_subtrees_of_the_cas_above(
    base: x509.GeneralName, inside: Sequence[str], outside: Sequence[str]
) -> None:
    kind = type(base)
    for name in inside:
        assert permitted(kind, name, permit=[base])
        assert not permitted(kind, name, exclude=[base])
    for name in outside:
        assert not permitted(kind, name, permit=[base])
        assert permitted(kind, name, exclude=[base])


@pytest.mark.parametrize(
    ("base", "name"),
    [
        (URI("acme.example"), "urn:uuid:5d2c1f3e-8a55-4c1f-9c52-0d6a4e0b8f11"),
        (URI("acme.example"), "https://10.0.0.1/"),
        (URI("acme.example"), "https://[/"),
        (URI("https://acme.example/"), "https://acme.example/"),
        (MAIL("acme.example"), "acme.example"),
        (DNS("acme.example"), "."),
        (x509.RegisteredID(x509.ObjectIdentifier("1.2.3")), "1.2.3"),
    ],
    ids=str,
)
def test_what_cannot_be_compared_is_refused_on_both_sides(base: x509.GeneralName, name: str) -> None:
    assert not permitted(type(base), name, permit=[base])
    assert not permitted(type(base), name, exclude=[base])


def test_names_of_another_kind_than_the_constraints_are_free() -> None:
    assert permitted(IP, "10.0.0.1", permit=[DNS("acme.example")])
    assert not permitted(DNS, "x.example", permit=[DNS("acme.example")])


def test_a_wildcard_that_stands_for_an_excluded_name_is_refused() -> None:
    assert not permitted(DNS, "*.acme.example", exclude=[DNS("secret.acme.example")])
    assert permitted(DNS, "*.acme.example", exclude=[DNS("very.secret.acme.example")])


def test_what_is_excluded_outweighs_what_is_permitted() -> None:
    subtrees = {"permit": [DNS("acme.example"), DNS("x.example")], "exclude": [DNS("secret.acme.example")]}
    assert permitted(DNS, "api.acme.example", **subtrees)
    assert permitted(DNS, "x.example", **subtrees)
    assert not permitted(DNS, "a.secret.acme.example", **subtrees)


def test_a_mail_address_in_the_subject_is_held_to_the_constraints_too() -> None:
    ca = make("CA", ROOT, change=constraints(permit=[MAIL("acme.example")]))
    assert not breaches(make("CN=a/E=a@acme.example", ca, ca=False), ca)
    for address in ("a@evil.example", "nobody", "ä ö@", "<a@acme.example>, b@evil.example"):
        assert breaches(make(f"CN=a/E={address}", ca, ca=False), ca) == [("CA", address)]


def test_constraints_bind_everything_below_but_self_issued_cas() -> None:
    top = make("Top", ROOT, change=constraints(permit=[DIRECTORY(dn("O=Acme"))]))
    rolled = make("Top", top, key=key_called("rolled"))
    outside = make("Outside", rolled)
    leaf = make("O=Acme/CN=leaf", outside, ca=False)
    assert breaches(leaf, outside, rolled, top) == [("Top", "CN=Outside")]
    assert breaches(rolled, top) == [("Top", "CN=Top")], "as a leaf it is bound"


def test_of_many_refused_names_some_are_shown_and_the_rest_counted() -> None:
    ca = make("CA", ROOT, change=constraints(permit=[DNS("acme.example")]))
    ((_, text),) = breaches(make("x", ca, ca=False, names=[DNS(f"n{n}.example") for n in range(50)]), ca)
    assert text.endswith(f"n{chains.MAX_SHOWN - 1}.example and {50 - chains.MAX_SHOWN} more")


def test_more_names_than_can_be_compared_are_refused() -> None:
    ca = make("CA", ROOT, change=constraints(exclude=[DNS(f"n{n}.example") for n in range(3000)]))
    leaf = make("x", ca, ca=False, names=[DNS(f"m{n}.example") for n in range(3000)])
    ((_, text),) = breaches(leaf, ca)
    assert text.startswith("so many names")


def test_constraints_with_a_minimum_are_refused_for_nothing_honours_it() -> None:
    ca = make("CA", ROOT, change=constraints(exclude=[DNS("a.example12345")]))
    # [2] 14 octets becomes [2] 11 octets and [0] minimum 1.
    minimum = altered(ca, b"\x82\x0ea.example12345", b"\x82\x0ba.example12\x80\x01\x01", ROOT.key)
    assert not breaches(make("x", ca, ca=False, names=[DNS("x.example")]), ca)
    ((_, text),) = breaches(make("x", minimum, ca=False, names=[DNS("x.example")]), minimum)
    assert "RFC 5280 does not allow" in text


def breaches(*path: Made) -> list[tuple[str, str]]:
    """The names of CAs, and what they do not permit."""
    found = PermittedNames().breaches(tuple(each.certificate for each in (*path, ROOT)))
    return [(str(ca.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value), text) for ca, _, text in found]


def permitted(
    kind: Callable[..., x509.GeneralName],
    name: str,
    permit: Sequence[x509.GeneralName] = (),
    exclude: Sequence[x509.GeneralName] = (),
) -> bool:
    """Whether a leaf of that name may stand below a CA with these constraints."""
    ca = make("CA", ROOT, change=constraints(permit, exclude))
    if kind is x509.DirectoryName:
        return not breaches(make(name, ca, ca=False), ca)
    if kind is x509.IPAddress:
        kind = IP
    value = x509.ObjectIdentifier(name) if kind is x509.RegisteredID else name
    # Without a subject: it would be held to constraints of directory names.
    return not breaches(make("", ca, ca=False, key=key_called("x"), names=[kind(value)]), ca)
