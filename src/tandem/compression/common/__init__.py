"""Code that several compression methods share."""
