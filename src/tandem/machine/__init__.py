"""Properties of a machine: CPU, package versions, and digests of the results of numeric kernels."""
