"""What a registry of a million costs the gate: its decisions, its memory, its start, and a change."""
