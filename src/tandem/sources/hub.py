"""Rows of a data set on the Hugging Face hub, at a revision, or of a local folder in its form.

    source:
      kind: hub
      path: stanfordnlp/sst2
      revision: 8d51e7e4887a4caaa95b3fbebbf53c0490b58bbb
      split: train
      columns: {text: sentence}     # our name: the data set's name

`datasets` runs no code that a data set brings, and nor does this.
"""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from tandem.core.errors import SourceError, TandemError
from tandem.loading import datasets
from tandem.sources import UNKNOWN, DatasetInfo, RawRecords, SourceInfo, SourceParams
from tandem.sources.files import rename_columns, require_columns


class Params(SourceParams):
    """What `datasets.load_dataset` takes."""

    path: str
    split: str
    name: str | None = Field(default=None, description="the configuration, where there are several")
    revision: str | None = Field(default=None, description="a commit; a local folder has none")
    columns: dict[str, str] = Field(default={}, description="our name: the data set's name")
    about: DatasetInfo = UNKNOWN

    @model_validator(mode="after")
    def pinned(self) -> Self:
        """Only a local folder can do without a revision."""
        if self.revision is None and not Path(self.path).is_dir():
            raise ValueError("needs a revision (a commit of the data set), as hubs change")
        return self


def rows(params: Params) -> RawRecords:
    """The data set's records, in their order.

    Raises:
        SourceError: the hub cannot be reached or has no such data set, split or revision.
        DataError: a column is missing, or a local folder leads out of itself.
    """
    try:
        table = datasets.load(params.path, params.name, params.split, params.revision)
    except TandemError:
        raise
    except Exception as error:
        # One library's errors, from HTTP to Arrow, share no base below Exception.
        reason = " ".join(str(error).split())
        raise SourceError(f"cannot load the data set {params.path}: {reason:.300}") from None
    require_columns(params.path, table.column_names, params.columns)
    yield from rename_columns(table, params.columns)


def origin(params: Params) -> SourceInfo:
    """What params.yaml says of the data set, and its revision."""
    pins = {"data set": params.path, "configuration": params.name, "revision": params.revision}
    return SourceInfo(params.about, {key: value for key, value in pins.items() if value})
