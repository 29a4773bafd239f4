"""Pinned files from package indexes, and safe readers of archives."""
