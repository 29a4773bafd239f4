"""Text processing for data stages, without torch: repair, masking, filters and comparison."""
