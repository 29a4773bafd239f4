"""Sign the records of a commit, and read signed bundles (in-toto, DSSE)."""
