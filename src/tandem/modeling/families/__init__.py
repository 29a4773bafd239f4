"""Model families; each is a module with the family's name."""
