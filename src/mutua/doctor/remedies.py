"""What each finding about a certificate most likely comes from, and what to do next."""

WARNINGS = {"duplicate_certificate", "leaf_is_ca"}

_NEW = "ask its issuer for a new one"
_NEW_CA = "ask whoever runs the CA for a new CA certificate"
_NEW_CRL = "fetch the CRL again from its distribution point; if it is the same there, tell whoever runs the CA"
_STRICT = "ask its issuer to make it as RFC 5280 says"
REMEDIES = {
    "expired": ("it was not renewed", "renew it; if that was done, look for the new one's file, or at the clock"),
    "not_yet_valid": ("it begins in the future, or the clock is behind", "check the clock and the time zone of --at"),
    "weak_key": ("it was made long ago, or with old settings", "make a new key of P-256, or RSA of 2048 bits or more"),
    "unsupported_key": ("the key was made for something else than TLS", "make a new key of P-256, P-384 or RSA-2048"),
    "weak_signature": ("its issuer still signs with a broken hash", _NEW + ", signed with SHA-256"),
    "serial_not_positive": ("its issuer does not follow RFC 5280, section 4.1.2.2", _NEW),
    "unknown_critical_extension": ("it is for a special use, or a precertificate", _NEW + ", without the extension"),
    "malformed": ("it was made by hand, or by a tool that does not follow RFC 5280", _STRICT),
    "not_a_ca": ("somebody signed with the key of an end entity, or openssl x509 -req left extensions out", _NEW_CA),
    "wrong_key_usage": ("it was made for something else", _NEW + ", for what it is used for"),
    "wrong_purpose": ("it was made for the other side of the connection", _NEW + ", for this purpose"),
    "leaf_is_ca": ("openssl req -x509 makes such certificates", "pin its thumbprint, never trust it as a CA"),
    "no_names": ("it relies on its common name, which nobody reads any more", _NEW + ", with a SubjectAltName"),
    "wrong_name": ("it is another server's, or the name was forgotten", _NEW + ", with that name among its names"),
    "path_length_exceeded": ("a CA was made below one that may have none, or fewer", _NEW_CA),
    "name_not_permitted": ("it is outside what the CA may certify", "ask for names that the CA may certify"),
    "bad_signature": ("it was altered, or another CA of the same name signed it", "get it again, with its own CA"),
    "unsupported_signature": ("it is signed in a way that is not supported here", _NEW + ", signed with ECDSA or RSA"),
    "key_identifier_mismatch": ("the CA has a new certificate", "give the CA certificate that it was issued with"),
    "untrusted_root": ("its CA is not among those given with --trust", "if you believe it, give it: --trust ca.pem"),
    "issuer_missing": ("it was left out, or it is a root", "add it to FILE; if it is a root you believe, to --trust"),
    "trusted_but_no_root": ("--trust holds an intermediate without its root", "add the root's certificate to --trust"),
    "too_deep": ("CAs certify each other in a ring, or the chain is forged", "give the certificates of one path only"),
    "too_complex": ("too many certificates, or CAs that all certify each other", "give the certificates of one path"),
    "duplicate_certificate": ("a file was joined to one that held it already", "remove one of them"),
    "duplicate_serial": ("the CA lost count, or somebody forged one", "tell whoever runs the CA: it cannot revoke one"),
    "revoked": ("whoever issued it has taken it back", "ask the issuer for a new one, with a new key"),
    "on_hold": ("whoever issued it has suspended it for now", "ask the issuer why, and when the hold is lifted"),
    "not_in_inventory": (
        "it was altered, or signed elsewhere",
        "look for it: mutua cert list; or give its CA's CRL: --crl",
    ),
    "crl_missing": ("a CRL was given, and none for this issuer", "give each issuer's CRL: --crl FILE, once for each"),
    "crl_expired": ("it was not fetched again, or the CA stopped making new ones", _NEW_CRL),
    "crl_not_yet_valid": ("the clock is behind, or --at is before it", "check the clock, or take a CRL of that time"),
    "crl_bad_signature": ("it is another CA's of the same name, or was altered", _NEW_CRL),
    "crl_out_of_scope": ("another part of the CA's CRLs is about this", "give the CRL of its own distribution point"),
    "crl_unusable": ("it is of a kind that mutua does not read, or made carelessly", "ask the CA for a complete CRL"),
}
