"""Where TLS begins: calling others as an identity."""
