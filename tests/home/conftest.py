from tests.softhsm import softhsm, softhsm_is_here

__all__ = ["softhsm", "softhsm_is_here"]
