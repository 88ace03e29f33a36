import json
import subprocess
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mutua.errors import InvalidInput
from mutua.pki.kubernetes import MAX_SECRET_NAME, write_tls_secret
from tests.pki.hierarchy import client, root


def as_kubectl_reads_it(kubectl: str, folder: Path, manifest: bytes) -> Any:
    """The manifest as kubectl understands it, without a cluster."""
    (folder / "secret.yaml").write_bytes(manifest)
    command = [kubectl, "annotate", "--local", "-f", "secret.yaml", "read=yes", "-o", "json"]
    environment = {"KUBECONFIG": str(folder / "none"), "HOME": str(folder), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", ["woovi", "api.acme.example", "123", "true", "1e3"])
def test_kubectl_reads_a_tls_secret(peer: Callable[[str], str], tmp_path: Path, name: str) -> None:
    manifest = write_tls_secret(name, client().key, client().chain, [root().certificate])
    secret = as_kubectl_reads_it(peer("kubectl"), tmp_path, manifest)
    assert (secret["apiVersion"], secret["kind"], secret["type"]) == ("v1", "Secret", "kubernetes.io/tls")
    assert secret["metadata"]["name"] == name
    data = {entry: b64decode(value, validate=True) for entry, value in secret["data"].items()}
    assert data["tls.crt"] == client().chain_pem()
    assert data["tls.key"] == client().key_pem()
    assert set(data) == {"tls.crt", "tls.key", "ca.crt"}


def test_without_a_ca_there_is_no_entry_for_it() -> None:
    assert b"ca.crt" not in write_tls_secret("woovi", client().key, client().chain)


@pytest.mark.parametrize(
    "name", ["", "Woovi", "*.acme.example", "-x", "a..b", "a_b", "x" * (MAX_SECRET_NAME + 1), "a\nb"]
)
def test_a_name_that_kubernetes_refuses_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="cannot name a Secret"):
        write_tls_secret(name, client().key, client().chain)
