"""Also of a handshake that was refused the certificate is kept: for ``mutua client trust --refused``."""

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from mutua import Home
from mutua.inbound.seen.workers import refused_certificate
from mutua.pki.certificates import write_der
from tests.inbound.certificates import strangers_identity
from tests.inbound.connections import LiveConnection
from tests.serving import Serving


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_strangers_certificate_is_there_by_its_id(
    home: Home, serve: Callable[..., Serving], tmp_path: Path, version: ssl.TLSVersion
) -> None:
    serving, stranger = serve(), strangers_identity(tmp_path / "stranger")
    context = stranger.client_context(home.trust)
    context.minimum_version = context.maximum_version = version
    with pytest.raises(OSError), LiveConnection(serving.port, context) as connection:  # noqa: PT011 -- as it comes
        connection.get()
    line = serving.next_line("refused")
    refusal, der = refused_certificate(home.path, line["id"])
    assert der == write_der(stranger.certificate)
    assert refusal["thumbprint"] == line["thumbprint"] == stranger.thumbprint
