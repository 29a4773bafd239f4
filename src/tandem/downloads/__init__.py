"""Downloads of pinned package files, and safe reading of archives."""
