"""Properties of a machine: digests of its numeric kernels, and a check of its environment."""
