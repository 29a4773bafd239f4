"""What a machine computes and has: kernels, their fingerprint, a check of the environment."""
