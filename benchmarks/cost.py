"""Seconds and peak memory of each stage's last job under Snakemake, dearest first.

Snakemake measures every job of `make repro`; this prints the table.

    python benchmarks/cost.py
"""

import csv

from tandem import dag


def main() -> None:
    """Print one line a stage: seconds, CPU seconds, peak resident memory in MB."""
    rows = []
    for path in sorted((dag.STATE / "cost").glob("*.tsv")):
        with path.open(encoding="utf-8") as file:
            (row,) = csv.DictReader(file, delimiter="\t")
        rows.append((float(row["s"]), float(row["cpu_time"]), float(row["max_rss"]), path.stem))
    print(f"{'seconds':>8} {'CPU s':>8} {'peak MB':>8}  stage")
    for seconds, cpu, peak, name in sorted(rows, reverse=True):
        print(f"{seconds:8.1f} {cpu:8.1f} {peak:8.0f}  {name}")
    if rows:
        print(f"{'':>8} {sum(row[1] for row in rows):8.0f} {max(row[2] for row in rows):8.0f}  all")


if __name__ == "__main__":
    main()
