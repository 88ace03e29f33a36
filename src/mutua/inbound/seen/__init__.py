"""What this process has admitted and refused, and the ways to ask it."""
