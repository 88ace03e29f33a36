"""grpcio: its credentials take PEM, for gRPC has a TLS of its own and no use for an ``ssl.SSLContext``."""

import grpc  # type: ignore[import-untyped]

from mutua.errors import InvalidInput
from mutua.pki.certificates import write_pem
from mutua.tls.identity import Identity
from mutua.tls.trust import Trust


def channel_credentials(identity: Identity, trust: Trust) -> grpc.ChannelCredentials:
    """What ``grpc.secure_channel`` and ``grpc.aio.secure_channel`` take; nothing is written to a file.

    They are for one identity: gRPC has no way to renew those of a channel. Make a new channel for a renewed one.

    Args:
        identity: what is presented.
        trust: exactly what is believed; the system's anchors are those that gRPC brings along.

    Raises:
        InvalidInput: the trust is more than root certificates alone or the system's alone, which gRPC cannot do.
    """
    if trust.partners or (trust.anchors and trust.include_system):
        raise InvalidInput(
            "gRPC believes root certificates that it is given or the system's, not both, and no partner's",
            hint="give Trust.system() or Trust.load(...)",
        )
    return grpc.ssl_channel_credentials(
        root_certificates=write_pem(trust.anchors) if trust.anchors else None,
        private_key=identity.key_pem(),
        certificate_chain=identity.chain_pem(),
    )
