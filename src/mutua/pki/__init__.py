"""X.509 values: keys, names, profiles, certificates. Pure but for ``randomness``."""
