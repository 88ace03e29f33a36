"""The gate: may this client do this, now? Pure decisions over an immutable snapshot."""
