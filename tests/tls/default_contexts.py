"""Handshakes between the default contexts of this Python, strict as from 3.13. Standard library only.

``python -m tests.tls.default_contexts FOLDER...`` takes folders with root.pem, server.pem and client.pem, the last two
with their keys, and tells on stdout what came of it.
"""

import json
import ssl
import sys
from pathlib import Path

from tests.tls.handshakes import connect

STRICT = ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN


def handshake(folder: Path) -> dict[str, object]:
    anchors = (folder / "root.pem").read_text()
    client = ssl.create_default_context(cadata=anchors)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=anchors)
    server.verify_mode = ssl.CERT_REQUIRED
    by_default = all(context.verify_flags & STRICT == STRICT for context in (client, server))
    for context, chain in ((client, "client.pem"), (server, "server.pem")):
        context.load_cert_chain(folder / chain)
        context.verify_flags |= STRICT
    connected = connect(client, server)
    shown = (
        [side.getpeercert(binary_form=True) for side in (connected.client, connected.server)] if connected.ok else []
    )
    return {
        "client_error": str(connected.client_error or ""),
        "server_error": str(connected.server_error or ""),
        "both_showed_a_certificate": len(shown) == 2 and all(shown),
        "strict_by_default": by_default,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps([handshake(Path(folder)) for folder in sys.argv[1:]]))
