"""The TLS policies: one for servers, one for clients.

TLS 1.3, and TLS 1.2 with ephemeral key exchange and AEAD ciphers only (RFC 9325 section 4.2);
certificates strictly as in RFC 5280. Whoever gets a context here gets verification with it.
"""

import ssl
from typing import TYPE_CHECKING

from mutua.tls.handshake import observe

if TYPE_CHECKING:
    from mutua.tls.trust import Trust

TLS12_CIPHERS = "@SECLEVEL=2:ECDHE+AESGCM:ECDHE+CHACHA20"
"""TLS 1.3 suites are all AEAD and are left as OpenSSL orders them; level 2 refuses keys below 112 bits."""


def client_context(trust: "Trust") -> ssl.SSLContext:
    """A client's context: server certificate and host name verified."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context)
    trust.load_into(context)
    return context


def server_context(trust: "Trust", *, certificate_optional: bool = False) -> ssl.SSLContext:
    """A server's context: client certificate demanded and verified, failures reported (``tls.handshake``).

    Args:
        trust: what clients are verified with.
        certificate_optional: whether a client may show none. One that is shown is verified all the same, and the
            handshake fails with a bad one. For nobody but a door that asks a gate about each request.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context)
    context.verify_mode = ssl.CERT_OPTIONAL if certificate_optional else ssl.CERT_REQUIRED
    # One ticket resumes a session as well as two do, and each costs OpenSSL a copy of the session and its certificates.
    context.num_tickets = 1
    trust.load_into(context)
    observe(context)
    return context


def _harden(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(TLS12_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_TRUSTED_FIRST
