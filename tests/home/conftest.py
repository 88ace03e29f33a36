from tests.home.shared import cluster, database, shared
from tests.softhsm import softhsm, softhsm_is_here

__all__ = ["cluster", "database", "shared", "softhsm", "softhsm_is_here"]
