"""The model families: one module each, found by name."""
