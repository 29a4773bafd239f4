"""Helpers of several augmentations, and the function that derives rows."""
