"""Properties of a machine: its CPU, package versions, and digests of its kernels' results."""
