"""What several sources of weights share."""
