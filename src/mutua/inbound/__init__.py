"""Doors: where TLS ends and a request meets the gate."""
