"""Support for several people who work on one project."""
