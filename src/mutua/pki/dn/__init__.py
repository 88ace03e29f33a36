"""Distinguished names: read and written as RFC 4514 in the form that Open Finance Brasil demands, matched as RFC 4517.

``preparation`` makes values comparable (RFC 4518), ``attributes`` holds one of them, ``reading`` is the parser of text,
``name`` the whole name.
"""

from mutua.pki.dn.attributes import Attribute
from mutua.pki.dn.name import DistinguishedName
from mutua.pki.dn.reading import MAX_ATTRIBUTES, MAX_DN_CHARACTERS

__all__ = ["MAX_ATTRIBUTES", "MAX_DN_CHARACTERS", "Attribute", "DistinguishedName"]
