"""Tasks: one module each, chosen by its name in params.yaml."""
