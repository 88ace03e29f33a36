"""The one suite: every case through every door, over each protocol that it speaks, in TLS 1.2 and 1.3."""

import ssl
from itertools import count

import pytest

from mutua import Home
from mutua.tls.files import load_cert_chain
from mutua.tls.identity import Identity
from tests.inbound.cases import CASES
from tests.inbound.doors.calls import WEBSOCKETS, alert_of, calling, context_for
from tests.inbound.doors.doors import spoken
from tests.serving import Serving

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

_numbers = count(1)


def client_context(home: Home, identity: Identity | None, version: str, protocol: str) -> ssl.SSLContext:
    """A client's context that presents whatever identity there is, be its key ever so weak."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = context.maximum_version = VERSIONS[version]
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    home.trust.load_into(context)
    if identity is not None:
        load_cert_chain(context, identity.key, identity.chain_pem())
    return context_for(protocol, context)


def lines_about(serving: Serving, address: str) -> dict[str, object]:
    """The line about the connection, waited for."""
    while (line := serving.next_line())["event"] not in {"admitted", "refused"} or line["peer"] != address:
        continue
    return line


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("door_name", "protocol"), spoken())
def test_what_comes_of_a_client(
    name: str,
    version: str,
    protocol: str,
    serving: Serving,
    shared_home: Home,
    identities: dict[str, Identity | None],
) -> None:
    case, identity = CASES[name], identities[name]
    context = client_context(shared_home, identity, version, protocol)
    path = case.path.format(next(_numbers))
    if case.alerts:
        alert, address = alert_of(serving.port, context)
        assert alert == case.alerts[list(VERSIONS).index(version)]
    else:
        with calling(protocol, serving.port, context) as caller:
            address = caller.address
            assert caller.tls.version() == f"TLSv{version}"
            assert caller.get(path) == case.status
    line = lines_about(serving, address)
    assert (line["event"], line.get("reason")) == ("refused" if case.reason else "admitted", case.reason)
    assert line["client"] == case.client
    assert line["thumbprint"] == (identity.thumbprint if identity else None)
    if not case.alerts:
        assert line["status"] == (101 if protocol in WEBSOCKETS and case.status == 200 else case.status)
        # What has reached the application is compared with what was admitted once more when the server has ended.
        assert [each["path"] for each in serving.reached()].count(path) == (case.reason is None)
