"""Rows of a known corpus that ships inside a package on the index, at a version and a hash.

    {kind: package, name: home-assistant-intents, version: 2026.10.27, sha256: 256eb1e4…,
     sdist: false, corpus: {kind: home_assistant_intents, …}}

How the package's files are read is the corpus's own affair; see `tandem.corpora`.
"""

from typing import ClassVar, Literal

from tandem.core.params import Plugin, plugin
from tandem.downloads.pypi import Pin, archive
from tandem.sources import Origin, Records


class Params(Plugin, Pin):
    """The package's pins, and the corpus inside it."""

    package: ClassVar[str] = "sources"
    kind: Literal["package"]
    corpus: plugin("corpora")  # type: ignore[valid-type]


def rows(params: Params) -> Records:
    """The corpus's raw records.

    Raises:
        SourceError: the package cannot be had, or is not the pinned one.
    """
    return params.corpus.module.rows(params.corpus, archive(params))  # type: ignore[no-any-return]


def origin(params: Params) -> Origin:
    """The corpus's own description, and the package's pins."""
    about = params.corpus.module.about(params.corpus)
    form = "sdist" if params.sdist else "wheel"
    pins = {"package": f"{params} ({form})", "sha256": params.sha256, "corpus": params.corpus.kind}
    return Origin(about, pins)
