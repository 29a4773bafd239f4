"""What was answered on each test row, as tables that any reader opens."""

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
    path: Path, rows: Sequence[Row], answers: Sequence[Any], tables: Mapping[str, Array]
) -> None:
    """Write id, group, domain, prediction (JSON) and each metric's statistics (list of float64).

    The statistics' sums give the score, so that it can be checked, or cut in other ways, without
    the model.
    """
    columns: dict[str, Any] = {
        "id": [row.id for row in rows],
        "group": [row.group for row in rows],
        "domain": [row.domain for row in rows],
        "prediction": [json.dumps(a, ensure_ascii=False, sort_keys=True) for a in answers],
    }
    for name, table in tables.items():
        columns[name] = pa.array(table.tolist(), pa.list_(pa.float64()))
    pq.write_table(pa.table(columns), path, compression="zstd", store_schema=False)


def write_labels(path: Path, rows: Sequence[Row], answers: Sequence[Any]) -> None:
    """Write the CSV table behind DVC's confusion matrix: true and predicted label of each row.

    Rows of a task without labels give a table without a line, of which DVC draws nothing.
    """
    table = StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["label", "predicted"])
    for row, answer in zip(rows, answers, strict=True):
        if (label := getattr(row, "label", None)) is not None:
            writer.writerow([label, answer["label"]])
    io.write_text(path, table.getvalue())
