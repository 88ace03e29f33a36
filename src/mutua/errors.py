"""Every error mutua raises, in one tree.

    MutuaError
    ├── InvalidInput            what was asked for makes no sense            exit 2
    │   ├── InvalidName             not a name a certificate can carry
    │   ├── InvalidDistinguishedName  not a distinguished name, or one that nobody can be known by
    │   ├── InvalidClientName       not a name the registry can hold
    │   ├── InvalidCredential       not a way for a client to prove itself
    │   ├── InvalidRegistryFile     not a file of clients
    │   ├── InvalidGrant            not methods and a path pattern
    │   ├── InvalidLifetime         longer than the profile allows, or not positive
    │   ├── InvalidAddress          not a URL or address that can be called
    │   ├── UnknownClient           the registry has no such client
    │   ├── UnknownCredential       the client is not known by that
    │   ├── UnknownCertificate      the inventory has no such certificate
    │   ├── UnknownInvitation       no such invitation is open
    │   ├── UnknownIdentity         the home has no such identity
    │   ├── InvalidAuthority        not a CA that can be made, or not such a name
    │   └── UnknownAuthority        the home has no such CA
    ├── Unreadable              something given could not be read            exit 3
    │   ├── HomeNotFound            no home where one was expected
    │   ├── InvalidSettings         mutua.toml cannot be understood
    │   ├── UnreadableFile          a file is missing, closed to us or too large
    │   ├── UnreadableCertificate   not a certificate in PEM or DER
    │   ├── UnreadableKey           not a private key, or of a kind we refuse
    │   ├── EncryptedKey            a key or PKCS#12 needs a password
    │   ├── WrongPassword           the password does not open it
    │   ├── KeyMismatch             the key does not belong to the certificate
    │   ├── UnreadableStore         the database is missing, damaged or too new
    │   ├── DiskFull                no room left; nothing was half-written
    │   ├── UnreadableRequest       not a certificate signing request
    │   ├── UnreadableCrl           not a certificate revocation list
    │   ├── UnreadableOcsp          not an OCSP request or response
    │   ├── UnreadableStatement     not a renewal statement
    │   ├── UnreadableInvitation    not an invitation to enrol, or not a whole one
    │   ├── UnreadableCheckpoint    not a checkpoint of an audit trail
    │   ├── UnreadableContents      nothing in the file is of a kind mutua knows
    │   ├── MalformedForward        a proxy's headers do not hold one client certificate
    │   ├── TokenUnavailable        the PKCS#11 module, token or key cannot be used
    │   ├── AppNotFound             the application cannot be imported
    │   └── MissingExtra            a part of mutua that is installed on request
    ├── NotAllowed              understood, and refused                      exit 4
    │   ├── HomeExists              a home is there already
    │   ├── UnsafeHome              others can write the home, or own it
    │   ├── ClientExists            the registry knows that name already
    │   ├── ClientInUse             a client that is not suspended would be removed
    │   ├── CredentialExists        somebody is known by that already
    │   ├── TooManyPartners         handshakes could not look at so many certificates
    │   ├── AlreadyExists           a file or identity would be overwritten
    │   ├── IdentityBusy            another process is renewing the identity
    │   ├── AlreadyRevoked          the certificate was revoked before
    │   ├── NotOnHold               only a certificate on hold can be released
    │   ├── RefusedRequest          a certificate request breaks the policy
    │   ├── RefusedRenewal          the certificate cannot be renewed, or not by that proof
    │   ├── RefusedEnrolment        the invitation is not good for a certificate
    │   ├── AuthorityExists         the home has a CA of that name
    │   ├── AuthorityInUse          certificates below the CA are still in use
    │   ├── OfflineKey              the CA key was exported and is not here
    │   ├── MissingPassphrase       what unseals the CA keys was not given
    │   ├── WrongPassphrase         the passphrase does not unseal them
    │   └── BrokenAudit             the event chain does not verify
    └── NetworkError            the network said no                          exit 5
        ├── AddressInUse            the port to listen on is taken
        ├── CallFailed              a call of ours failed (mutua.explain); one of the four below
        │   ├── RefusedByServer         the server refused us: in the handshake, or the request
        │   ├── RefusedByUs             we refused the server's certificate
        │   ├── NobodyAnswered          nobody refused; the network did
        │   └── CallUnexplained         what was raised does not tell who refused whom
        ├── EstFailed               an EST server gave no answer that can be used
        ├── Http2NotSpoken          a server that was to speak HTTP/2 does not
        ├── HandshakeRefused        a server of ours refuses the client's certificate (mutua.testing)
        └── StoreUnreachable        the database server does not answer

Each carries a stable ``code`` (also the heading of its page in docs/errors.md), a message
for whoever runs the program, and a ``hint`` that says what to type next. ``public`` is the
only text that may ever reach a peer, and it never varies.
"""

from typing import Any, ClassVar


class MutuaError(Exception):
    """The root of the tree.

    Args:
        message: what happened, one line, for the person at the keyboard or the log.
        hint: the next thing to type or to look at, one line.
    """

    code: ClassVar[str] = "mutua_error"
    public: ClassVar[str] = "The request could not be completed."

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidInput(MutuaError):
    code = "invalid_input"


class InvalidName(InvalidInput):
    code = "invalid_name"


class InvalidDistinguishedName(InvalidInput):
    code = "invalid_distinguished_name"


class InvalidClientName(InvalidInput):
    code = "invalid_client_name"


class InvalidCredential(InvalidInput):
    code = "invalid_credential"


class InvalidRegistryFile(InvalidInput):
    code = "invalid_registry_file"


class InvalidGrant(InvalidInput):
    code = "invalid_grant"


class InvalidLifetime(InvalidInput):
    code = "invalid_lifetime"


class InvalidAddress(InvalidInput):
    code = "invalid_address"


class UnknownClient(InvalidInput):
    code = "unknown_client"


class UnknownCredential(InvalidInput):
    code = "unknown_credential"


class UnknownCertificate(InvalidInput):
    code = "unknown_certificate"


class UnknownInvitation(InvalidInput):
    code = "unknown_invitation"


class UnknownIdentity(InvalidInput):
    code = "unknown_identity"


class InvalidAuthority(InvalidInput):
    code = "invalid_authority"


class UnknownAuthority(InvalidInput):
    code = "unknown_authority"


class Unreadable(MutuaError):
    code = "unreadable"


class HomeNotFound(Unreadable):
    code = "home_not_found"


class InvalidSettings(Unreadable):
    code = "invalid_settings"


class UnreadableFile(Unreadable):
    code = "unreadable_file"


class UnreadableCertificate(Unreadable):
    code = "unreadable_certificate"


class UnreadableKey(Unreadable):
    code = "unreadable_key"


class EncryptedKey(Unreadable):
    code = "encrypted_key"


class WrongPassword(Unreadable):
    code = "wrong_password"


class KeyMismatch(Unreadable):
    code = "key_mismatch"


class UnreadableStore(Unreadable):
    code = "unreadable_store"


class DiskFull(Unreadable):
    code = "disk_full"


class UnreadableRequest(Unreadable):
    code = "unreadable_request"


class UnreadableCrl(Unreadable):
    code = "unreadable_crl"


class UnreadableOcsp(Unreadable):
    code = "unreadable_ocsp"


class UnreadableStatement(Unreadable):
    code = "unreadable_statement"


class UnreadableInvitation(Unreadable):
    code = "unreadable_invitation"


class UnreadableCheckpoint(Unreadable):
    code = "unreadable_checkpoint"


class UnreadableContents(Unreadable):
    code = "unreadable_contents"


class MalformedForward(Unreadable):
    code = "malformed_forward"


class TokenUnavailable(Unreadable):
    code = "token_unavailable"


class AppNotFound(Unreadable):
    code = "app_not_found"


class MissingExtra(Unreadable):
    code = "missing_extra"


class NotAllowed(MutuaError):
    code = "not_allowed"


class HomeExists(NotAllowed):
    code = "home_exists"


class UnsafeHome(NotAllowed):
    code = "unsafe_home"


class ClientExists(NotAllowed):
    code = "client_exists"


class ClientInUse(NotAllowed):
    code = "client_in_use"


class CredentialExists(NotAllowed):
    code = "credential_exists"


class TooManyPartners(NotAllowed):
    code = "too_many_partners"


class AlreadyExists(NotAllowed):
    code = "already_exists"


class IdentityBusy(NotAllowed):
    code = "identity_busy"


class AlreadyRevoked(NotAllowed):
    code = "already_revoked"


class NotOnHold(NotAllowed):
    code = "not_on_hold"


class RefusedRequest(NotAllowed):
    """Carries every rule the request breaks, so that its maker mends all of them at once.

    Args:
        violations: one line each.
    """

    code = "refused_request"

    def __init__(self, violations: tuple[str, ...], *, hint: str = "") -> None:
        super().__init__("the request is refused: " + "; ".join(violations), hint=hint)
        self.violations = violations


class RefusedRenewal(NotAllowed):
    code = "refused_renewal"


class RefusedEnrolment(NotAllowed):
    code = "refused_enrolment"


class AuthorityExists(NotAllowed):
    code = "authority_exists"


class AuthorityInUse(NotAllowed):
    code = "authority_in_use"


class OfflineKey(NotAllowed):
    code = "offline_key"


class MissingPassphrase(NotAllowed):
    code = "missing_passphrase"


class WrongPassphrase(NotAllowed):
    code = "wrong_passphrase"


class BrokenAudit(NotAllowed):
    """Carries what differs where the trail is whole and the rows are not what it tells.

    Args:
        differences: each a ``mutua.store.replay.Difference``; the first of them where there are very many.
        count: how many there are.
    """

    code = "broken_audit"

    def __init__(self, message: str, *, hint: str = "", differences: tuple[Any, ...] = (), count: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.differences = differences
        self.count = count


class NetworkError(MutuaError):
    code = "network_error"


class AddressInUse(NetworkError):
    code = "address_in_use"


class EstFailed(NetworkError):
    code = "est_failed"


class Http2NotSpoken(NetworkError):
    code = "http2_not_spoken"


class HandshakeRefused(NetworkError):
    """The server refused the client's certificate, so that there is no connection to call over.

    Attributes:
        reason: the stable reason, as the server's log has it.
        detail: OpenSSL's words.
        thumbprint: x5t#S256 of the certificate that was shown, if one was.
    """

    code = "handshake_refused"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        reason: str = "",
        detail: str = "",
        thumbprint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason
        self.detail = detail
        self.thumbprint = thumbprint


class CallFailed(NetworkError):
    """A call failed, and this says why. ``mutua.explain`` makes it; which subclass it is says who refused whom.

    Args:
        message: what happened, one line.
        hint: what to do first.
        reason: a stable code such as ``certificate_required``; docs/calling.md has them all.
        alert: the TLS alert the server sent, such as ``unknown_ca``, or ``None``.
        status: the HTTP status where the handshake succeeded and the request was answered.
        target: host and port where they are known, else ``the server``.
        causes: the likely causes, the likeliest first.
        findings: each a ``mutua.doctor.findings.Finding``.
    """

    code = "call_failed"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        reason: str = "",
        alert: str | None = None,
        status: int | None = None,
        target: str = "",
        causes: tuple[str, ...] = (),
        findings: tuple[Any, ...] = (),
    ) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason
        self.alert = alert
        self.status = status
        self.target = target
        self.causes = causes
        self.findings = findings
        for cause in causes:
            self.add_note(f"cause:  {cause}")
        if hint:
            self.add_note(f"remedy: {hint}")


class RefusedByServer(CallFailed):
    code = "refused_by_server"


class RefusedByUs(CallFailed):
    code = "refused_by_us"


class NobodyAnswered(CallFailed):
    code = "nobody_answered"


class CallUnexplained(CallFailed):
    code = "call_unexplained"


class StoreUnreachable(NetworkError):
    code = "store_unreachable"
