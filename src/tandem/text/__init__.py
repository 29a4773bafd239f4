"""What the data stages do to texts: repair, mask, filter, compare. Imports no torch."""
