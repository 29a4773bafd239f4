"""Properties of a machine: the bits that its kernels compute, and a check of its environment."""
