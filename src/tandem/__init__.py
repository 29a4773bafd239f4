"""Tandem: an NLP pipeline for DVC and Snakemake that records the provenance of every number."""

__version__ = "0.1.0"
