"""What pyarrow and DuckDB find in a folder of Parquet files, as JSON. Runs in .venv/lake; knows nothing of Penstock."""

import json
import sys
from pathlib import Path

import duckdb
import pyarrow.dataset
import pyarrow.parquet


def main() -> None:
    """Reads the folder that the command line names."""
    folder = Path(sys.argv[1])
    files = sorted(folder.rglob("*.parquet"))
    metadata = [pyarrow.parquet.read_metadata(path) for path in files]
    columns = [own.row_group(group).column(0) for own in metadata for group in range(own.num_row_groups)]
    # The columns of the files themselves, without those that their folders tell.
    schema = pyarrow.parquet.read_schema(files[0])
    found = {
        "files": len(files),
        "rows": pyarrow.dataset.dataset(folder, partitioning="hive").count_rows(),
        "codecs": " ".join(sorted({own.compression for own in columns})),
        "schema": [[own.name, str(own.type)] for own in schema],
        "days": by_day(folder),
    }
    print(json.dumps(found))


def by_day(folder: Path) -> list[list]:
    """Rows, exact sum, first and last moment of each folder."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    found = connection.execute(
        "SELECT CAST(measured_date AS VARCHAR), COUNT(*), CAST(SUM(value) AS VARCHAR), "
        "strftime(MIN(measured_at), '%H:%M:%S.%f'), strftime(MAX(measured_at), '%H:%M:%S.%f') "
        "FROM read_parquet(?, hive_partitioning = true) GROUP BY 1 ORDER BY 1",
        [str(folder / "**" / "*.parquet")],
    )
    return [list(row) for row in found.fetchall()]


if __name__ == "__main__":
    main()
