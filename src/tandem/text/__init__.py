"""Text processing of the data stages: repair, masking, filters, comparison. Imports no torch."""
