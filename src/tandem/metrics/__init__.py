"""Scores: one `evaluate.Metric` a file, with what its interval needs."""
