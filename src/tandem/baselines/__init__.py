"""What a model has to beat: one baseline a file."""
