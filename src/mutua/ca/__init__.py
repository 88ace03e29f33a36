"""The authority's decisions: what is signed, for whom, for how long. Signing and keeping is ``mutua.home``'s."""
