"""Benchmarks of the authority: certificates from requests, CRLs, OCSP answers, each beside its rivals.

``python -m bench.issuance`` runs everything, ``python -m bench.issuance certificates`` (or ``crl``, ``ocsp``) a part.
"""
