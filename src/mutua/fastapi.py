"""For FastAPI applications: ``Depends(known_client())``, and ``mutualTLS`` in the OpenAPI document."""

from mutua.inbound.fastapi import KnownClientDependency, NotGranted, describe_mutual_tls, known_client

__all__ = ["KnownClientDependency", "NotGranted", "describe_mutual_tls", "known_client"]
