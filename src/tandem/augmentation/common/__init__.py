"""Helpers shared by several augmentations, and the function that derives rows."""
