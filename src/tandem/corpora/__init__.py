"""Readers of corpora in Python packages; each reader is a module, chosen by name in params.yaml.

A corpus module defines `Params(CorpusParams)` and the functions of `Corpus`.
"""

from typing import Annotated, Any, Protocol, cast

from tandem.core.raw_records import DatasetInfo, RawRecords
from tandem.core.schema import PluginParams, plugin_field
from tandem.downloads.archive import Archive


class Corpus(Protocol):
    """The functions that a corpus module defines."""

    def rows(self, params: Any, archive: Archive) -> RawRecords:
        """Yield the raw records of the corpus, each with an id, a group and a domain."""

    def about(self, params: Any) -> DatasetInfo:
        """Return the corpus's title, license, citation and known limitations, for the data card."""


class CorpusParams(PluginParams):
    """Base class of the params of a corpus."""

    @property
    def plugin(self) -> Corpus:  # type: ignore[override]
        """The corpus's module."""
        return cast(Corpus, super().plugin)


AnyCorpus = Annotated[CorpusParams, plugin_field("corpora")]
"""A field of params.yaml that chooses a corpus by `kind`."""
