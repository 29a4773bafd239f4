"""Training of all models: one trainer, its options, and the files that it writes."""
