"""What all stages share: paths, params, rows, files, errors and pins.

This package does not import torch.
"""
