"""Helpers of corpora: sampling from grammars, and slot values."""
