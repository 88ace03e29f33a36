"""Home: where an authority and its registry live, and the acts on them: load, decide, sign, commit."""
