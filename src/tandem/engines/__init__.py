"""What knows DVC or Snakemake; no stage depends on it."""
