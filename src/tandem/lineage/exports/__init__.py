"""Export formats that other tools read: one module each, found by name.

A module has `export(graph, root, folder)`, which returns file name → JSON value or text. `root` is
the project's folder, and `folder` is the folder that the files will be written to. A format that
requires a certain folder names it in `FOLDER`. Only tests use the libraries of these formats.
"""
