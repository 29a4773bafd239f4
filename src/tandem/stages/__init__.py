"""The stages: one file each, read top to bottom; `tandem STAGE TASK` runs its `main`."""
