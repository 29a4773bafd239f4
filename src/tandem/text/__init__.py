"""Text processing for data stages: repair, masking, filters, comparison. Never imports torch."""
