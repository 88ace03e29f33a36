"""What a reader has when a page begins, beyond an empty folder."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from mutua import Home, Identity
from mutua.pki.certificates import write_pem
from mutua.pki.keys import write_private_key
from mutua.registry.invitations import write_invitation
from tests.agent.authority import RunningAuthority
from tests.docs.partner import sloppy_partner
from tests.missing import missing
from tests.outbound.issuers import KEY, line
from tests.postgresql import running_cluster
from tests.serving import Serving

StandIns = dict[str, str]
PASSWORD = b"from-the-bank"

MAIN = """\
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute

from mutua.asgi import known_client


async def status(request):
    return JSONResponse({"hello": known_client(request).name})


async def webhook(request):
    await request.json()
    return JSONResponse({"received": request.path_params["kind"]})


async def feed(websocket):
    await websocket.accept()
    async for message in websocket.iter_text():
        await websocket.send_text(message.upper())


app = Starlette(
    routes=[
        Route("/status", status),
        Route("/webhook/{kind}", webhook, methods=["POST"]),
        WebSocketRoute("/feed", feed),
    ]
)
"""


@contextmanager
def stage(page: str, folder: Path, template: Path) -> Iterator[StandIns]:
    """Put into ``folder`` what the page begins with; gives the stand-ins for what is on the page.

    Args:
        page: its path from the root of the repository.
        folder: the reader's.
        template: a home as after docs/getting-started.md.
    """
    match page:
        case "docs/calling.md" | "docs/clients.md" | "docs/explain.md":
            with _bank(folder, template) as stand_ins:
                yield stand_ins
        case "docs/identities.md" | "docs/agent.md":
            with (_sent if page == "docs/identities.md" else _est)(folder, template) as stand_ins:
                yield stand_ins
        case "docs/certificates.md":
            known = _started(folder, template)
            _add_expired(folder)
            yield known
        case (
            "docs/serving.md"
            | "docs/clients-and-grants.md"
            | "docs/architecture.md"
            | "docs/formats.md"
            | "docs/requests.md"
            | "docs/authorities.md"
            | "docs/revocation.md"
            | "docs/operating.md"
            | "docs/forward-auth.md"
            | "docs/public-paths.md"
        ):
            yield _started(folder, template)
        case "docs/est.md":
            _require("curl", "jq")
            yield _started(folder, template)
        case "docs/proxies.md":
            _require("nginx")
            yield _started(folder, template)
        case "docs/foreign-revocation.md":
            yield {**_started(folder, template), "crl.bank.example": "127.0.0.1:9"}  # nothing on the page fetches
        case "docs/hsm.md":
            _require("softhsm2-util", "pkcs11-tool")
            yield {}
        case "docs/postgresql.md":
            with running_cluster() as cluster, cluster.database() as name:
                yield {"mutua@db.acme.example/mutua": cluster.url(name).partition("://")[2]}
        case _:
            yield {}


def _started(folder: Path, template: Path) -> StandIns:
    """What there is after docs/getting-started.md."""
    shutil.copytree(template, folder / ".mutua", symlinks=True)
    (folder / "main.py").write_text(MAIN, encoding="utf-8")
    with Home.open(folder / ".mutua") as home:
        return {"Q3LFby": home.identities.load("woovi").thumbprint[:6]}


class _Earlier(Home):
    """A home whose clock is four minutes slow: its CAs' certificates start five minutes before they are made."""

    def now(self) -> datetime:
        return super().now() - timedelta(minutes=4)


def _add_expired(folder: Path) -> None:
    with _Earlier.open(folder / ".mutua") as home:
        names = ("old.acme.example", "10.0.0.9")
        home.identities.save(names[0], home.authority.issue_server(*names, lifetime=timedelta(minutes=1)))


def _require(*programs: str) -> None:
    """Programs that a page needs. Where one is missing the test skips; in CI it fails."""
    absent = [program for program in programs if shutil.which(program) is None]
    if absent:
        missing(f"not installed: {absent}")


@contextmanager
def _est(folder: Path, template: Path) -> Iterator[StandIns]:
    """An authority elsewhere that serves EST, and an invitation from it."""
    _require("curl", "jq")
    shutil.copytree(template, folder.parent / "authority", symlinks=True)
    with Home.open(folder.parent / "authority") as home:
        home.identities.save("api", home.authority.issue_server("localhost"), replace=True)
        authority = RunningAuthority(home)
        authority.start()
        try:
            (folder / "woovi.invitation").write_text(write_invitation(authority.invite()), encoding="utf-8")
            yield {"pki.acme.example": f"localhost:{authority.port}"}
        finally:
            authority.stop()


@contextmanager
def _bank(folder: Path, template: Path) -> Iterator[StandIns]:
    """A bank's server, and the files it has sent: a password-protected PKCS#12, the same as PEM, and its CA."""
    shutil.copytree(template, folder.parent / "bank", symlinks=True)
    with Home.open(folder.parent / "bank") as home:
        _send(home.identities.load("woovi"), folder)
        shutil.copy(home.path / "ca.pem", folder / "bank-ca.pem")
        serving = Serving.start(home, app="tests.docs.bank:app", identity="api.acme.example")
        try:
            with sloppy_partner(folder / "partner-ca.pem") as port:
                yield {
                    "api.bank.example": f"localhost:{serving.port}",
                    "api.partner.example": f"localhost:{port}",
                }
        finally:
            serving.stop()


def _send(ours: Identity, folder: Path) -> None:
    sealed = pkcs12.serialize_key_and_certificates(
        b"woovi", ours.key, ours.certificate, ours.chain[1:], BestAvailableEncryption(PASSWORD)
    )
    (folder / "bank.p12").write_bytes(sealed)
    (folder / "password.txt").write_bytes(PASSWORD + b"\n")
    (folder / "chain.pem").write_bytes(ours.chain_pem())
    (folder / "key.pem").write_bytes(ours.key_pem())


@contextmanager
def _sent(folder: Path, template: Path) -> Iterator[StandIns]:
    """The same files without a server; and a certificate alone, whose issuers are on this machine."""
    _send(Identity.load(template / "identities" / "woovi"), folder)
    with line() as bank:
        (folder / "alone.pem").write_bytes(write_pem([bank.leaf]))
        (folder / "alone.key").write_bytes(write_private_key(KEY))
        yield {
            "alone.pem --fetch": "alone.pem --fetch --allow-private",
            'key="alone.key")': 'key="alone.key"), allow_private=True',
        }
