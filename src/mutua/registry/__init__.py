"""The registry of known clients: who they are, how they prove it, what they may call."""
