"""Ways to make a trained model smaller or faster: one method a file."""
