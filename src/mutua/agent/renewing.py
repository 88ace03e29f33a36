"""A first certificate, the next one, and what is trusted: asked for, looked at, and only then put in place."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

from cryptography import x509

from mutua.agent.enrolment import Enrolment
from mutua.agent.folder import IdentityFolder
from mutua.errors import AlreadyExists, EstFailed, InvalidInput, Unreadable
from mutua.home.home import Home
from mutua.outbound.est import EstClient
from mutua.pki.chain_order import is_self_signed
from mutua.pki.keys import KeyType, PrivateKey, key_type_of
from mutua.pki.requests import read_request, write_request
from mutua.pki.thumbprints import x5t_s256
from mutua.registry.invitations import Invitation, token_hash
from mutua.tls.identity import Identity
from mutua.tls.trust import Trust


class Authority(Protocol):
    """Who renews an identity."""

    def authorities(self) -> tuple[x509.Certificate, ...]:
        """Its CA certificates, a root among them."""

    def reenroll(self, identity: Identity, request: bytes, now: datetime) -> x509.Certificate:
        """The certificate that follows that of ``identity``, for the key of ``request``."""


class HomeAuthority:
    """A home on this machine, for the identities in it.

    Args:
        path: of the home.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def authorities(self) -> tuple[x509.Certificate, ...]:
        """Its CA certificates. Raises MutuaError: the home cannot be opened."""
        with Home.open(self._path, actor="agent") as home:
            return tuple(each.certificate for each in home.hierarchy.trusted())

    def reenroll(self, identity: Identity, request: bytes, now: datetime) -> x509.Certificate:  # noqa: ARG002
        """Renew it by a statement, as ``mutua cert renew`` does. Raises MutuaError: it is refused, or cannot be."""
        from mutua.pki.statements import write_statement  # noqa: PLC0415 -- JOSE loads slowly

        audience = x5t_s256(identity.chain[min(1, len(identity.chain) - 1)])
        with Home.open(self._path, actor="agent") as home:
            # The home's own clock: a statement that is signed in the future is refused.
            statement = write_statement(
                identity.key, identity.certificate, read_request(request).der, now=home.now(), audience=audience
            )
            return home.renewal.by_statement(statement).certificate


def enroll(
    invitation: Invitation, folder: IdentityFolder, *, key_type: KeyType, now: datetime, force: bool = False
) -> Identity:
    """Make a key, have it certified, and write it with its chain and what it trusts.

    It may be interrupted at any moment and called again: the same key asks again, and the server answers the same. An
    identity that this invitation has already given is returned as it is.

    Args:
        invitation: good once.
        folder: where the identity goes.
        key_type: of the key that is made.
        now: UTC.
        force: replace an identity that is there.

    Raises:
        AlreadyExists: an identity is there. IdentityBusy: another process is at it.
        RefusedEnrolment: the server does not accept the invitation. EstFailed: it gives no certificate.
        DiskFull, UnreadableFile: it cannot be written.
    """
    hashed = token_hash(invitation.token) or ""
    with folder.alone():
        if folder.exists:
            if _is_of(folder, hashed):
                folder.forget_pending()
                return folder.load()
            if not (force and folder.path.is_symlink()):
                hint = "give another --to" + (", or --force to replace it" if folder.path.is_symlink() else "")
                raise AlreadyExists(f"there is something at '{folder.path}' already", hint=hint)
        folder.require_room()
        key = folder.pending_key(key_type)
        server = EstClient(invitation.url, Trust((invitation.anchor,)))
        found = server.authorities()
        if invitation.anchor not in found:
            raise EstFailed(
                f"{invitation.url} does not name the root of the invitation among its CAs",
                hint="ask for a new invitation: mutua client invite",
            )
        leaf = server.enroll(invitation.client, invitation.token, write_request(key, (), invitation.client))
        identity = assembled(key, leaf, found)
        enrolment = Enrolment(url=invitation.url, client=invitation.client, invitation=hashed, obtained_at=now)
        folder.save(identity, Trust(found), enrolment, replace=force)
    return identity


def renew(folder: IdentityFolder, *, home: Path | None, now: datetime, same_key: bool = False) -> Identity:
    """Have the next certificate made, for a new key unless told otherwise, and put it in place.

    Args:
        folder: with the identity.
        home: of the authority, where the identity is one of a home.
        now: UTC.
        same_key: keep the key.

    Raises:
        MutuaError: it is refused, not answered, or cannot be written; the identity stays as it was.
    """
    with folder.alone():
        folder.require_room()
        current, enrolment = folder.load(), folder.enrolment()
        server, trust = _authority(folder, enrolment, home)
        found = _accepted(server.authorities(), trust)
        key = current.key if same_key else folder.pending_key(key_type_of(current.key.public_key()))
        leaf = server.reenroll(current, write_request(key, ()), now)
        fresh = assembled(key, leaf, found)
        if fresh.not_after < current.not_after:
            raise EstFailed(
                "the certificate that came ends before the one that is there",
                hint="look at the CA's own end on the authority: mutua ca show",
            )
        fresh_enrolment = None if enrolment is None else replace(enrolment, obtained_at=now)
        folder.save(fresh, None if trust is None else Trust(found), fresh_enrolment, replace=True)
    return fresh


def refresh_trust(folder: IdentityFolder) -> bool:
    """Ask for the CA certificates anew; whether there are others now. The identity stays the same.

    Raises:
        MutuaError: they cannot be had, are not acceptable, or cannot be written; those that are there stay.
    """
    with folder.alone():
        enrolment = folder.enrolment()
        server, trust = _authority(folder, enrolment, None)
        found = _accepted(server.authorities(), trust)
        if trust is None or set(found) == set(trust.anchors):
            return False
        folder.save(folder.load(), Trust(found), enrolment, replace=True)
    return True


def assembled(key: PrivateKey, leaf: x509.Certificate, authorities: Sequence[x509.Certificate]) -> Identity:
    """An identity of what came separately, with a path that was verified up to a root.

    Raises:
        EstFailed: the certificate does not lead to a root among ``authorities``.
        KeyMismatch: it is for another key.
    """
    path = Trust(tuple(authorities)).path(leaf)
    if len(path) < 2 or not is_self_signed(path[-1]):
        raise EstFailed(
            "the certificate that came leads to no root that the server names", hint="tell whoever runs the server"
        )
    return Identity(key, path[:-1], path[-1])


def _is_of(folder: IdentityFolder, invitation: str) -> bool:
    """Whether what is there came with that invitation: whoever was interrupted at the very end asks again."""
    try:
        held = folder.enrolment()
        return held is not None and held.invitation == invitation and bool(folder.load())
    except Unreadable:
        return False


def _authority(
    folder: IdentityFolder, enrolment: Enrolment | None, home: Path | None
) -> tuple[Authority, Trust | None]:
    """Who renews an identity, and what was trusted until now."""
    if home is not None:
        return HomeAuthority(home), None
    if enrolment is None:
        raise InvalidInput(
            f"nobody is known who could renew '{folder.path}'", hint="enrol it: mutua enroll INVITATION --to FOLDER"
        )
    trust = folder.trust()
    return EstClient(enrolment.url, trust), trust


def _accepted(found: tuple[x509.Certificate, ...], trust: Trust | None) -> tuple[x509.Certificate, ...]:
    """A change of root publishes the old and the new together for a while (RFC 7030 section 4.1.3)."""
    if trust is not None and not any(each in trust.anchors and is_self_signed(each) for each in found):
        raise EstFailed(
            "no root that was trusted until now is among the CAs that the server names",
            hint="if its root was really replaced, enrol anew: mutua enroll INVITATION --force",
        )
    return found
