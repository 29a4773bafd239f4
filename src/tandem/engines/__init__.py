"""All code that depends on DVC or Snakemake. Of the stages, only `code` uses this package."""
