"""CA keys in a PKCS#11 token: made in there, used in there, and never anywhere else."""

from mutua.home.tokens.maker import TokenKeys
from mutua.home.tokens.pin import find_pin

__all__ = ["TokenKeys", "find_pin"]
