import ipaddress

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from mutua.errors import InvalidName
from mutua.pki.names import MAX_NAME_LENGTH, DnsName, EmailName, IpName, Name, UriName, name_of, parse_name

LONG = ".".join(["a" * 63] * 3 + ["b" * 61])

ACCEPTED: dict[str, Name] = {
    "api.acme.example": DnsName("api.acme.example"),
    "API.Acme.Example": DnsName("api.acme.example"),
    "localhost": DnsName("localhost"),
    "woovi": DnsName("woovi"),
    "a-b.1c.example": DnsName("a-b.1c.example"),
    "1api.example": DnsName("1api.example"),
    "*.acme.example": DnsName("*.acme.example"),
    "*.bücher.example": DnsName("*.xn--bcher-kva.example"),
    "bücher.example": DnsName("xn--bcher-kva.example"),
    "BÜCHER.example": DnsName("xn--bcher-kva.example"),
    "xn--bcher-kva.example": DnsName("xn--bcher-kva.example"),
    "faß.example": DnsName("xn--fa-hia.example"),
    "例え.example": DnsName("xn--r8jz45g.example"),
    "a" * 63 + ".example": DnsName("a" * 63 + ".example"),
    LONG: DnsName(LONG),
    "127.0.0.1": IpName(ipaddress.ip_address("127.0.0.1")),
    "::1": IpName(ipaddress.ip_address("::1")),
    "2001:DB8:0:0::1": IpName(ipaddress.ip_address("2001:db8::1")),
    "::ffff:192.0.2.1": IpName(ipaddress.ip_address("::ffff:192.0.2.1")),
    "spiffe://acme.example/pay": UriName("spiffe://acme.example/pay"),
    "https://acme.example:8443/a?b=c#d": UriName("https://acme.example:8443/a?b=c#d"),
    "https://acme.example/%20x": UriName("https://acme.example/%20x"),
    "https://192.0.2.1/": UriName("https://192.0.2.1/"),
    "https://[2001:db8::1]:8443/": UriName("https://[2001:db8::1]:8443/"),
    "urn:uuid:5d2c1f3e-8a55-4c1f-9c52-0d6a4e0b8f11": UriName("urn:uuid:5d2c1f3e-8a55-4c1f-9c52-0d6a4e0b8f11"),
    "ops@acme.example": EmailName("ops@acme.example"),
    "Ops+pix@ACME.example": EmailName("Ops+pix@acme.example"),
    "o.p.s@bücher.example": EmailName("o.p.s@xn--bcher-kva.example"),
}

REFUSED = {
    "empty": ["", "\ufeff", "\u200b"],
    "a space or a control character": [
        " api.acme.example",
        "api.acme.example ",
        "api acme.example",
        "api.acme.example\n",
        "api\x00.acme.example",
        "api.\x7facme.example",
        "api.acme.example\r\nX-Evil: 1",
        "api.acme\u00a0.example",
    ],
    "text direction": [
        "\u202eelpmaxe.emca",
        "api.\u202eacme.example",
        "api.acme.example\u200f",
        "spiffe://a.b/\u2066x",
    ],
    "the end of the domain": [
        "api.acme.example.",
        "localhost.",
        ".",
        "*.acme.example.",
        "127.0.0.1.",
        "ops@acme.example.",
    ],
    "labels": [
        "api..acme.example",
        ".acme.example",
        "-api.acme.example",
        "api-.acme.example",
        "a" * 64 + ".example",
        LONG + "c",
        "*." + LONG,
        "a." * 127 + "example",
        "xn--zzzzzz.example",
        "xn--a.example",
        "ab--cd.example",
    ],
    "characters": [
        "api_v2.acme.example",
        "api.acme.example/",
        "api.acme.example:443",
        "api,acme.example",
        "a'b.example",
    ],
    "wildcards": [
        "*",
        "*.",
        "*.example",
        "*.*.example",
        "api.*.example",
        "*api.acme.example",
        "a*i.acme.example",
        "**.acme.example",
        "*.127.0.0.1",
        "＊.acme.example",  # noqa: RUF001 -- the full-width one, which looks the same
    ],
    "IP look-alikes": [
        "256.1.1.1",
        "127.1",
        "1.2.3",
        "1.2.3.4.5",
        "0177.0.0.1",
        "127.0.0.01",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "127.0.0.0x1",
        "api.0x",
        "１２７.0.0.1",  # noqa: RUF001 -- full-width digits
        "127.0.0.1/32",
        "127.0.0.1:443",
        ":::1",
        "1:2:3:4:5:6:7",
        "12345::",
    ],
    "brackets and zones": ["[::1]", "fe80::1%eth0", "fe80::1%1", "::1%", "https://[fe80::1%25eth0]/"],
    "URIs": [
        "spiffe://acme/pay",
        "spiffe://localhost",
        "https://acme",
        "https:///pay",
        "https://:443/",
        "://acme.example",
        "1http://acme.example",
        "https://acme.example:99999/",
        "https://acme.example:port/",
        "https://acme.example/%zz",
        "https://acme.example/%2",
        "https://acme.example/%",
        "https://acme.example/ü",
        'https://acme.example/"',
        "https://acme.example/<x>",
        "https://acme.example/a\\b",
        "https://acme.example./",
        "https://*.acme.example/",
        "https://a_b.example/",
        "https://127.1/",
        "https://0x7f.1/",
        "https://[::1/",
        "https://[v1.acme]/",
        "mailto:ops@acme.example",
    ],
    "URNs": ["urn:uuid", "urn:uuid:", "urn::x", "urn:u:x", "urn:-u-:x", "urn:uuid:ü"],
    "e-mail addresses": [
        "@acme.example",
        "ops@",
        "ops@@acme.example",
        "a@b@acme.example",
        ".ops@acme.example",
        "ops.@acme.example",
        "o..ps@acme.example",
        '"ops"@acme.example',
        "öps@acme.example",
        "ops@127.0.0.1",
        "ops@[127.0.0.1]",
        "ops@::1",
        "ops@*.acme.example",
        "a" * 65 + "@acme.example",
        "ops@acme_x.example",
    ],
    "length": ["https://acme.example/" + "a" * MAX_NAME_LENGTH],
}
TEXTS = [text for texts in REFUSED.values() for text in texts]


@pytest.mark.parametrize("text", ACCEPTED)
def test_accepted_forms_are_read_into_typed_names(text: str) -> None:
    assert parse_name(text) == ACCEPTED[text]


@pytest.mark.parametrize("text", ACCEPTED)
def test_a_name_written_out_is_read_as_itself(text: str) -> None:
    name = parse_name(text)
    assert parse_name(str(name)) == name


@pytest.mark.parametrize("text", ACCEPTED)
def test_a_name_survives_the_way_through_a_certificate(text: str) -> None:
    name = parse_name(text)
    extension = x509.SubjectAlternativeName([name.general_name()])
    assert [name_of(entry) for entry in extension] == [name]


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_anything_else_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(InvalidName) as caught:
        parse_name(text)
    assert caught.value.hint.startswith("give a DNS name")
    assert len(caught.value.message) < 400


def test_a_refusal_shows_no_raw_control_characters() -> None:
    with pytest.raises(InvalidName) as caught:
        parse_name("\x1b[2Japi\u202e.acme.example")
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("api.acme.example.", "ends with a dot"),
        ("*.example", "at least two labels"),
        ("127.1", "looks like an IP address"),
        ("0x7f000001", "looks like an IP address"),
        ("fe80::1%eth0", "zone"),
        ("spiffe://acme/pay", "spiffe://acme.example/"),
        ("https://acme.example/%zz", "percent-encoded"),
        ("https://acme.example:x/", "authority"),
        ("urn:x", "urn:uuid"),
        (".ops@acme.example", "before @"),
        ("ops@*.acme.example", "after @"),
        ("a b.example", "space or a control character"),
        ("a" * 2049, "1 to 2048 characters"),
    ],
)
def test_the_message_says_which_rule_is_broken(text: str, rule: str) -> None:
    with pytest.raises(InvalidName) as caught:
        parse_name(text)
    assert rule in caught.value.message


def test_kinds_of_name_that_mutua_does_not_use_are_none() -> None:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "woovi")])
    assert name_of(x509.DirectoryName(subject)) is None
    assert name_of(x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))) is None
    assert name_of(x509.OtherName(x509.ObjectIdentifier("1.2.3"), b"\x05\x00")) is None
    assert name_of(x509.IPAddress(ipaddress.ip_network("10.0.0.0/8"))) is None


def test_a_foreign_certificate_in_capitals_names_the_same_host() -> None:
    assert name_of(x509.DNSName("API.Acme.Example")) == parse_name("api.acme.example")


PIECES = st.sampled_from(
    [*"abz09-._*@:/?#[]%+ \x00\u202e\u200dßéıſ½①١。．־א", "xn--", "::", "://", "urn:", "127.", "0x", ".example", "%20"]  # noqa: RUF001
)


@given(st.text() | st.lists(PIECES, max_size=14).map("".join) | st.from_regex(r"[a-z]+://[^ ]*", fullmatch=True))
def test_any_text_is_a_name_or_an_invalid_name(text: str) -> None:
    try:
        name = parse_name(text)
    except InvalidName:
        return
    assert parse_name(str(name)) == name
    assert str(name).isascii()
    assert name_of(name.general_name()) == name
