"""Benchmarks: what a handshake and a request cost the server, and how soon a suspension is felt.

``python -m bench`` runs everything, ``python -m bench cpu`` and ``python -m bench kill`` one half each.
"""
