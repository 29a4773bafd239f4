"""How the files of a known corpus are read into rows: one corpus a file."""
