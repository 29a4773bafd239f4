"""Helpers shared by several augmentations; `derive` applies augmentations to training rows."""
