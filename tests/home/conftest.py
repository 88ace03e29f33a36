from tests.clock import clock
from tests.home.crl_files import while_signing
from tests.home.shared import cluster, database, shared
from tests.softhsm import softhsm, softhsm_is_here

__all__ = ["clock", "cluster", "database", "shared", "softhsm", "softhsm_is_here", "while_signing"]
