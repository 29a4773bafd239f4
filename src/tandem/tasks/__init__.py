"""Tasks of the pipeline; each is a module that params.yaml selects by name."""
