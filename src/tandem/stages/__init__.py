"""The stages of the pipeline, one module each.

Each module can be read from top to bottom; `tandem STAGE TASK` runs its `main`.
"""
