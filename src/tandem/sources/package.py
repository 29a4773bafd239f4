"""Rows of a known corpus that ships inside a package on the index, at a version and a hash.

    {kind: package, name: home-assistant-intents, version: 2026.10.27, sha256: 256eb1e4…,
     sdist: false, corpus: {kind: home_assistant_intents, …}}

How the package's files are read is the corpus's own affair; see `tandem.corpora`.
"""

from tandem.corpora import AnyCorpus
from tandem.downloads.pypi import Pin, open_package
from tandem.sources import RawRecords, SourceInfo, SourceParams


class Params(SourceParams, Pin):
    """The package's pins, and the corpus inside it."""

    corpus: AnyCorpus


def rows(params: Params) -> RawRecords:
    """The corpus's raw records.

    Raises:
        SourceError: the package cannot be had, or is not the pinned one.
    """
    return params.corpus.plugin.rows(params.corpus, open_package(params))


def origin(params: Params) -> SourceInfo:
    """The corpus's own description, and the package's pins."""
    about = params.corpus.plugin.about(params.corpus)
    form = "sdist" if params.sdist else "wheel"
    pins = {"package": f"{params} ({form})", "sha256": params.sha256, "corpus": params.corpus.kind}
    return SourceInfo(about, pins)
