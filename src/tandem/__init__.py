"""Tandem: an NLP pipeline that runs under DVC and Snakemake, with a provenance for every number."""

__version__ = "0.1.0"
