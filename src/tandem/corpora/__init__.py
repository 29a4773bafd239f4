"""Readers of known corpora: one file each, named like the corpus.

A corpus module defines `Params(CorpusParams)` and the functions of `Corpus`.
"""

from typing import Annotated, Any, Protocol, cast

from tandem.core.schema import PluginParams, plugin_field
from tandem.downloads.archive import Archive
from tandem.sources import DatasetInfo, RawRecords


class Corpus(Protocol):
    """What a module in this folder defines."""

    def rows(self, params: Any, archive: Archive) -> RawRecords:
        """The raw records of the corpus, each with an id, a group and a domain."""

    def about(self, params: Any) -> DatasetInfo:
        """License, citation and known limits, for the data card."""


class CorpusParams(PluginParams):
    """Base class of a corpus's settings."""

    @property
    def plugin(self) -> Corpus:  # type: ignore[override]
        """The corpus."""
        return cast(Corpus, super().plugin)


AnyCorpus = Annotated[CorpusParams, plugin_field("corpora")]
"""A field of params.yaml that chooses a corpus by `kind`."""
