"""Tandem: one NLP pipeline, two engines, every number provable."""

__version__ = "0.1.0"
