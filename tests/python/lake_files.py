# Reads all Parquet files below a folder with pyarrow and with DuckDB, as one table of the columns that any of them has,
# and prints what each found, as texts; and where pyarrow finds that a file's statistics are not those of its values.
# Knows nothing of Penstock.
import json
import sys
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy
import pyarrow
import pyarrow.compute
import pyarrow.dataset
import pyarrow.parquet


def main(folder):
    print(json.dumps({"pyarrow": by_pyarrow(folder), "duckdb": by_duckdb(folder), "statistics": wrong_ranges(folder)}))


def by_pyarrow(folder):
    files = pyarrow.dataset.dataset(folder, format="parquet", partitioning="hive")
    schemas = [files.schema, *(file.physical_schema for file in files.get_fragments())]
    schema = pyarrow.unify_schemas(schemas, promote_options="permissive")
    table = pyarrow.dataset.dataset(folder, schema=schema, format="parquet", partitioning="hive").to_table()
    types = {field.name: str(field.type) for field in table.schema}
    required = [field.name for field in table.schema if not field.nullable]
    columns = {name: [text(value, types[name]) for value in table.column(name).to_pylist()] for name in types}
    return {"types": types, "required": required, "columns": columns}


def text(value, type_name):
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, float):
        return (str(numpy.float32(value)) if type_name == "float" else repr(value)).replace("e+", "e")
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return value.isoformat(sep=" ").replace("+00:00", "+00")
    return str(value)


def by_duckdb(folder):
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    files = f"read_parquet('{folder}/**/*.parquet', hive_partitioning = true, union_by_name = true)"
    types = {row[0]: row[1] for row in connection.execute(f"DESCRIBE SELECT * FROM {files}").fetchall()}
    columns, found = {}, {}
    for name, type_name in types.items():
        shown = f'lower(hex("{name}"))' if type_name == "BLOB" else f'"{name}"::VARCHAR'
        rows = connection.execute(f"SELECT {shown} FROM {files}").fetchall()
        columns[name] = [value if value is None else shortened(value, type_name) for (value,) in rows]
        # With a filter row groups are left out by their statistics and dictionaries.
        first = f'(SELECT "{name}" FROM {files} WHERE "{name}" IS NOT NULL LIMIT 1)'
        (found[name],) = connection.execute(f'SELECT count(*) FROM {files} WHERE "{name}" = {first}').fetchone()
    return {"types": types, "columns": columns, "found": found}


def shortened(value, type_name):
    if type_name.startswith("DECIMAL") and value.lstrip("-").startswith("."):
        return value.replace(".", "0.")
    return value.replace("e+", "e") if type_name in ("FLOAT", "DOUBLE") else value


def wrong_ranges(folder):
    wrong = []
    for path in sorted(Path(folder).rglob("*.parquet")):
        file = pyarrow.parquet.ParquetFile(path)
        for group in range(file.num_row_groups):
            table, metadata = file.read_row_group(group), file.metadata.row_group(group)
            for at, name in enumerate(table.column_names):
                own, column = metadata.column(at), table.column(name)
                if own.compression != "ZSTD" or not holds(own.statistics, column):
                    wrong.append(f"{path.name} {group} {name}: {own}")
    return wrong


def holds(statistics, column):
    if statistics is None or statistics.null_count != column.null_count:
        return False
    values = column.drop_null()
    if len(values) == 0:
        return not statistics.has_min_max
    if pyarrow.types.is_binary(column.type) or pyarrow.types.is_string(column.type):
        # By their bytes, as Parquet orders them.
        values = sorted(pyarrow.compute.unique(values.cast(pyarrow.binary())).to_pylist())
        least, most = values[0], values[-1]
        if max(len(least), len(most)) > 256:
            return not statistics.has_min_max
        plain = [own.encode() if isinstance(own, str) else own for own in (statistics.min, statistics.max)]
        return statistics.has_min_max and plain == [least, most]
    if pyarrow.types.is_floating(column.type) and not statistics.has_min_max:
        # pyarrow leaves ranges of floats in IEEE's total order alone, which is the order that they are declared in. A
        # test in Rust reads them.
        return True
    ordered = sorted(values.to_pylist())
    own = [pyarrow.scalar(end, column.type).as_py() for end in (statistics.min, statistics.max)]
    return statistics.has_min_max and own == [ordered[0], ordered[-1]]


if __name__ == "__main__":
    main(sys.argv[1])
