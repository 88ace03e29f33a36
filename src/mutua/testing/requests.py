"""A session of requests that believes its context and nothing else."""

import ssl

import requests

from mutua.outbound.requests import MutualTLSAdapter


def session(context: ssl.SSLContext) -> requests.Session:
    """A session that uses ``context`` for every https URL."""
    made = requests.Session()
    made.trust_env = False
    made.mount("https://", MutualTLSAdapter(context))
    return made
