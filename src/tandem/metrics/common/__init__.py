"""Code that all metrics share: scoring, bootstrap intervals, tables of predictions."""
