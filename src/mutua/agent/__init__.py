"""The renewal agent: identities on a machine of its own, enrolled once and renewed for ever."""
