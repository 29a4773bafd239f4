"""Tools that inspect and clean up a project: its stages, its leftovers, its machine."""
