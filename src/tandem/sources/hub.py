"""Rows of a pinned dataset on the Hugging Face Hub, or of a local folder with the same layout.

    source:
      kind: hub
      path: stanfordnlp/sst2
      revision: 8d51e7e4887a4caaa95b3fbebbf53c0490b58bbb
      split: train
      columns: {text: sentence}     # field name: column name

Code in the dataset is not run.
"""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from tandem.core.errors import SourceError, TandemError
from tandem.core.raw_records import UNKNOWN, DatasetInfo, RawRecords, SourceInfo
from tandem.loading import datasets
from tandem.sources import SourceParams
from tandem.sources.files import rename_columns, require_columns


class Params(SourceParams):
    """Arguments of `datasets.load_dataset`, and the columns to use."""

    path: str
    """Name of the dataset on the Hugging Face Hub, or path of a local folder with the layout of a
    Hub dataset."""
    split: str
    """Split of the dataset, such as `train`."""
    name: str | None = None
    """Name of the configuration, if the dataset has several configurations."""
    revision: str | None = None
    """Commit of the dataset; not used for a local folder."""
    columns: dict[str, str] = Field(default={})
    """Field name → name of its column in the dataset."""
    about: DatasetInfo = UNKNOWN

    @model_validator(mode="after")
    def _require_revision(self) -> Self:
        """Require a revision, except for a local folder."""
        if self.revision is None and not Path(self.path).is_dir():
            raise ValueError(
                "a dataset on the Hugging Face Hub can change, so it needs a revision (a commit)"
            )
        return self


def rows(params: Params) -> RawRecords:
    """Yield the records of the dataset, in order.

    Raises:
        SourceError: the hub cannot be reached or has no such dataset, split or revision.
        DataError: a column is missing, or a local folder refers to files outside of the folder.
    """
    try:
        table = datasets.load(params.path, params.name, params.split, params.revision)
    except TandemError:
        raise
    except Exception as error:
        # The errors that `datasets` raises, from HTTP to Arrow, share no base class but Exception.
        reason = " ".join(str(error).split())
        raise SourceError(f"cannot load the dataset {params.path}: {reason:.300}") from None
    require_columns(params.path, table.column_names, params.columns)
    yield from rename_columns(table, params.columns)


def origin(params: Params) -> SourceInfo:
    """Return the dataset's description (from params.yaml), name, configuration and revision."""
    pins = {"dataset": params.path, "configuration": params.name, "revision": params.revision}
    return SourceInfo(params.about, {key: value for key, value in pins.items() if value})
