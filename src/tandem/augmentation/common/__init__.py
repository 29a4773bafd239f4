"""What several augmentations share, and how derived rows are made."""
