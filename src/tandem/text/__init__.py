"""Text processing of the data stages: repair, masking, filters, comparison. Never imports torch."""
