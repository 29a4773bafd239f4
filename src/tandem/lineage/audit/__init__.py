"""Audit: check that records, dvc.lock, artifacts, code, params and pins agree."""
