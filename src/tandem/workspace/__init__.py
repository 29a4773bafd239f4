"""Tools that check a project's stages and machine, and that remove what is no longer used."""
