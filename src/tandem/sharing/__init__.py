"""Work of several people on one project."""
