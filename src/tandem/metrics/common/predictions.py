"""Write predictions for test rows to Parquet files, and true and predicted labels to CSV files."""

import csv
import json
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tandem.core import io
from tandem.core.rows import Row
from tandem.metrics.common.statistics import Array


def write_predictions(
    path: Path, rows: Sequence[Row], predictions: Sequence[Any], tables: Mapping[str, Array]
) -> None:
    """Write each row's id, group, domain, prediction (JSON) and statistics per metric (float64).

    A score is computed from the sums of its statistics, so it can be checked, or computed for a
    subset of the rows, without the model.
    """
    columns: dict[str, Any] = {
        "id": [row.id for row in rows],
        "group": [row.group for row in rows],
        "domain": [row.domain for row in rows],
        "prediction": [json.dumps(p, ensure_ascii=False, sort_keys=True) for p in predictions],
    }
    for name, table in tables.items():
        columns[name] = pa.array(table.tolist(), pa.list_(pa.float64()))
    pq.write_table(pa.table(columns), path, compression="zstd", store_schema=False)


def write_labels(path: Path, rows: Sequence[Row], predictions: Sequence[Any]) -> None:
    """Write the CSV table for a confusion matrix: the true and the predicted label of each row.

    For a task without labels, the table has no rows, and DVC shows no plot.
    """
    table = StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["label", "predicted"])
    for row, prediction in zip(rows, predictions, strict=True):
        if (label := getattr(row, "label", None)) is not None:
            writer.writerow([label, prediction["label"]])
    io.write_text(path, table.getvalue())
