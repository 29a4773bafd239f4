"""Everything that knows DVC or Snakemake. Of the stages, only `code` depends on it."""
