"""Tools that check a project's stages, check the machine, and clean up after removed stages."""
