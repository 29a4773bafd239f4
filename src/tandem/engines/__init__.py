"""All code that depends on DVC or Snakemake.

Of the modules in `tandem.stages`, only `code` imports this package.
"""
