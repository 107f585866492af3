"""Where workers run: one protocol, one module a place."""
