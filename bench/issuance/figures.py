"""Everything about the authority, measured: certificates, CRLs, OCSP answers."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench.issuance import crl, django_ca, ocsp, our_ocsp, ours, report, rounds
from bench.issuance.bare import Bare
from bench.issuance.crl import CrlRow
from bench.issuance.django_ca import DjangoCa
from bench.issuance.issuer import Issuer, make_requests
from bench.issuance.ocsp import Delegation, OcspRow, Responder
from bench.issuance.openssl import OpensslCa, OpensslX509
from bench.issuance.responders import BareAfresh, BareCached, OpensslOcsp
from bench.issuance.rounds import Contestant, Row, pinned
from bench.servers import cores
from mutua import Home

PARTS = ("certificates", "crl", "ocsp")


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        parts: of ``PARTS``.
        rounds: how often each has its turn, a CRL's maker every third time only.
        certificates: of a turn.
        stored: certificates in the large store; 0 for none.
        revoked: certificates that the CRLs list.
        asked: certificates that the OCSP responders are asked for in a turn.
    """

    parts: Sequence[str] = PARTS
    rounds: int = 9
    certificates: int = 1_000
    stored: int = 1_000_000
    revoked: int = 1_000_000
    asked: int = 1_000


@dataclass
class Figures:
    """What was measured; a part that was not is empty.

    Attributes:
        facts: how django-ca's database commits, by contestant.
    """

    certificates: list[Row] = field(default_factory=list)
    crls: list[CrlRow] = field(default_factory=list)
    answers: list[OcspRow] = field(default_factory=list)
    facts: dict[str, dict[str, str]] = field(default_factory=dict)

    def sections(self) -> dict[str, str]:
        """Markdown for the page's markers."""
        sections = {}
        if self.certificates:
            sections["certificates"] = report.certificates_section(self.certificates)
        if self.crls:
            sections["crl"] = report.crl_section(self.crls)
        if self.answers:
            sections["ocsp"] = report.ocsp_section(self.answers)
        return sections

    def missed(self) -> list[str]:
        """Each bound that did not hold, in words."""
        return rounds.missed(self.certificates) + crl.missed(self.crls)

    def as_json(self) -> str:
        """Everything, each round."""
        return report.as_json(self.facts, self.certificates, self.crls, self.answers)


def measure(plan: Plan, folder: Path, tell: Callable[[str], None]) -> Figures:
    """Run the plan, everything but the OCSP client on the first core."""
    figures, (core, other) = Figures(), cores()
    if "certificates" in plan.parts:
        with pinned(core):
            _certificates(plan, folder, tell, figures)
    if "crl" in plan.parts:
        with pinned(core):
            figures.crls = crl.measure(plan.revoked, crl.CONTENDERS, max(1, plan.rounds // 3), folder / "crl", tell)
    if "ocsp" in plan.parts:
        with pinned(other):
            figures.answers = _answers(plan, folder / "ocsp", core, tell)
    return figures


def _answers(plan: Plan, folder: Path, core: int, tell: Callable[[str], None]) -> list[OcspRow]:
    given = Delegation.make(plan.asked)
    with ours.make_home(folder / "home", stored=0) as home:
        stock = our_ocsp.stock(home, plan.asked)
        responders: list[Responder] = [
            BareAfresh(given),
            BareCached(given),
            OpensslOcsp(given, folder / "openssl", core),
        ]
        for afresh in (True, False):
            responders.append(our_ocsp.Called(home, stock, afresh=afresh))
            responders.append(our_ocsp.Served(home, stock, folder / f"served-{afresh}", core, afresh=afresh))
        return ocsp.measure(responders, plan.rounds, tell)


def _certificates(plan: Plan, folder: Path, tell: Callable[[str], None], figures: Figures) -> None:
    issuer = Issuer.make()
    rivals = _django_ca(folder, tell)
    with ExitStack() as homes:

        def home(name: str, stored: int) -> Home:
            tell(f"certificates: {name} gets {stored} certificates into its store")
            return homes.enter_context(ours.make_home(folder / name, stored))

        few = [kind(home(kind.__name__, ours.FEW)) for kind in (ours.SingleCalls, ours.Batch, ours.ManyCallers)]
        many = []
        if plan.stored:
            large = home("large", plan.stored)
            many = [kind(large, plan.stored) for kind in (ours.Batch, ours.ManyCallers)]
        contestants: list[Contestant] = [
            Bare(issuer),
            *few,
            *many,
            *rivals,
            OpensslCa(issuer, folder / "openssl-ca"),
            OpensslX509(issuer, folder / "openssl-x509"),
        ]
        figures.certificates = rounds.measure(
            rounds.Plan(plan.certificates, plan.rounds), contestants, make_requests(plan.certificates), tell
        )
    figures.facts = {rival.name: rival.facts for rival in rivals}


def _django_ca(folder: Path, tell: Callable[[str], None]) -> list[DjangoCa]:
    if not django_ca.PYTHON.exists():
        tell(f"certificates: no django-ca, for there is no {django_ca.PYTHON}; `make bench` puts it there")
        return []
    return [DjangoCa(way, folder / f"django-ca-{number}") for number, way in enumerate(django_ca.WAYS)]
