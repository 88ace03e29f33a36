"""The attribute types of names: what they are called, and how their values are compared."""

_TYPES = (
    # RFC 4514 section 3: the only ones that are written by name.
    ("2.5.4.3", "CN", "commonName"),
    ("2.5.4.7", "L", "localityName"),
    ("2.5.4.8", "ST", "stateOrProvinceName", "S"),
    ("2.5.4.10", "O", "organizationName"),
    ("2.5.4.11", "OU", "organizationalUnitName"),
    ("2.5.4.6", "C", "countryName"),
    ("2.5.4.9", "STREET", "streetAddress"),
    ("0.9.2342.19200300.100.1.25", "DC", "domainComponent"),
    ("0.9.2342.19200300.100.1.1", "UID", "userId"),
    # Others that people type: RFC 4519, RFC 2985, X.520, the EV guidelines.
    ("2.5.4.4", "surname", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.12", "title", "T"),
    ("2.5.4.13", "description"),
    ("2.5.4.15", "businessCategory"),
    ("2.5.4.17", "postalCode"),
    ("2.5.4.41", "name"),
    ("2.5.4.42", "givenName", "GN", "G"),
    ("2.5.4.43", "initials", "I"),
    ("2.5.4.44", "generationQualifier"),
    ("2.5.4.46", "dnQualifier", "dnq"),
    ("2.5.4.65", "pseudonym"),
    ("2.5.4.97", "organizationIdentifier", "orgId"),
    ("0.9.2342.19200300.100.1.3", "mail", "rfc822Mailbox"),
    ("1.2.840.113549.1.9.1", "emailAddress", "email", "E"),
    ("1.2.840.113549.1.9.2", "unstructuredName"),
    ("1.2.840.113549.1.9.8", "unstructuredAddress"),
    ("1.3.6.1.4.1.311.60.2.1.1", "jurisdictionLocalityName", "jurisdictionL"),
    ("1.3.6.1.4.1.311.60.2.1.2", "jurisdictionStateOrProvinceName", "jurisdictionST"),
    ("1.3.6.1.4.1.311.60.2.1.3", "jurisdictionCountryName", "jurisdictionC"),
)

WRITTEN = {oid: name for oid, name, *_ in _TYPES[:9]}
"""The names of RFC 4514 section 3, by OID."""

SHOWN = {oid: name for oid, name, *_ in _TYPES}
"""What a person calls them, by OID."""

READ = {name.lower(): oid for oid, *names in _TYPES for name in names}
"""The OIDs, by every name that is read, in lower case."""

PRINTABLE = frozenset({"2.5.4.5", "2.5.4.6", "2.5.4.46", "1.3.6.1.4.1.311.60.2.1.3"})
"""Those whose syntax is PrintableString (RFC 5280 appendix A.1, the EV guidelines)."""

IA5 = frozenset({"0.9.2342.19200300.100.1.25", "0.9.2342.19200300.100.1.3", "1.2.840.113549.1.9.1"})
"""Those whose syntax is IA5String, compared as caseIgnoreIA5Match (RFC 4519 section 2.4, RFC 2985 section 5.2.1)."""

CASE_IGNORED = frozenset(SHOWN)
"""Those whose rule is known to ignore case. Of others nobody can tell, and case counts (RFC 5280 section 7.1)."""
