"""How every model is fitted: one trainer, its options, and what it writes."""
