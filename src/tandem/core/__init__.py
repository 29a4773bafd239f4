"""What every stage shares: paths, params, rows, files, errors and pins. Imports no torch."""
