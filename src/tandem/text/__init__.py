"""Text processing for data stages: repair, masking, filters, comparison; all without torch."""
