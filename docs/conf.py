"""Settings of the documentation site. `make docs` builds it into docs/_build/html, offline."""

project = "Tandem"
language = "en"

extensions = ["myst_parser"]
myst_heading_anchors = 3  # [text](page.md#heading) works as on GitHub
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = "Tandem"
html_show_copyright = False
html_show_sourcelink = False
html_copy_source = False
