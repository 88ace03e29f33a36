"""The recipe of docs/clients.md for niquests, which cannot run where the other blocks of the page do."""

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

from mutua.pki.certificates import write_pem
from mutua.pki.pkcs12 import write_pkcs12
from tests.missing import missing
from tests.outbound.renewing import Renewing

ROOT = Path(__file__).parents[2]
PYTHON = Path(sys.prefix) / "niquests" / "bin" / "python"
BEHIND = "import runpy, sys; sys.path += sys.argv[2:]; runpy.run_path(sys.argv[1])"


def test_the_recipe_for_niquests_works_as_it_stands(renewed: Renewing, tmp_path: Path) -> None:
    if not PYTHON.exists():
        missing("niquests has no environment: make test sets it up")
    page = (ROOT / "docs/clients.md").read_text(encoding="utf-8")
    found = re.search(r"```python\n(# with_niquests\.py\n.*?)```", page, re.DOTALL)
    assert found is not None
    identity = renewed.known()
    (tmp_path / "bank.p12").write_bytes(write_pkcs12(identity.key, identity.chain, password=b"from-the-bank"))
    (tmp_path / "bank-ca.pem").write_bytes(write_pem(renewed.trust.anchors))
    recipe = tmp_path / "with_niquests.py"
    recipe.write_text(found[1].replace("https://api.bank.example/pix", renewed.url), encoding="utf-8")
    paths = [str(ROOT / "src"), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    done = subprocess.run(
        [PYTHON, "-c", BEHIND, recipe, *paths], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert identity.thumbprint in done.stdout
