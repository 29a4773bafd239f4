"""Modules that all stages share: paths, params, rows, files, errors and determinism.

This package does not import torch.
"""
