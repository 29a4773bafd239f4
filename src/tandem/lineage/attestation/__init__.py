"""Sign the records of a commit, and verify signed bundles (in-toto, DSSE)."""
