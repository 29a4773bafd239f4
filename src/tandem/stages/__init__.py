"""The stages: one file each, to be read from top to bottom; `tandem STAGE TASK` runs its `main`."""
