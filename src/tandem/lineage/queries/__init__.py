"""Questions about lineage: what an artifact is made of, what uses an input, what changed."""
