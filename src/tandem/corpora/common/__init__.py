"""Helpers for corpora: sampling from grammars, and slot values."""
