"""The stages of the pipeline; each stage is one module.

Each module can be read from top to bottom; `tandem STAGE …` calls the module's `main`.
"""
