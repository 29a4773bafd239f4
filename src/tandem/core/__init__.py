"""What all stages share: paths, params, rows, files, errors and pins. Does not import torch."""
