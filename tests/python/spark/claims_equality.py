"""The job beside s3-to-lake: the same input ends in the same files, rows and types.

The Rust test writes the fixtures: objects, the note of a hand-over, the columns of the manifest, and the Parquet and
the lines of the quarantine that s3-to-lake's writers make of the same objects.
"""

import json

from penstock_files import source_id


def _message(bench, path):
    """The schema of a Parquet file as it is written in its footer."""
    jvm = bench.spark._jvm
    hadoop = jvm.org.apache.hadoop.fs.Path(str(path))
    source = jvm.org.apache.parquet.hadoop.util.HadoopInputFile.fromPath(hadoop, bench.spark._jsc.hadoopConfiguration())
    reader = jvm.org.apache.parquet.hadoop.ParquetFileReader.open(source)
    try:
        fields = reader.getFooter().getFileMetaData().getSchema().getFields()
        return [str(own) for own in fields]
    finally:
        reader.close()


def _converted(bench, fixtures, name):
    own = json.loads((fixtures / f"{name}.json").read_text())
    entry = own["entry"]
    if own.get("note"):
        bench.write_note(entry, own["note"], "lake")
    assert bench.run([entry], columns=own["columns"], kind=own["kind"], dataset="orders") == 0
    return entry


def _assert_same(bench, fixtures, name):
    entry = _converted(bench, fixtures, name)
    assert bench.rejects() == [] == _their_rejects(fixtures, name)
    theirs = fixtures / f"{name}-lake"
    files = sorted(str(own.relative_to(theirs)) for own in theirs.rglob("*.parquet"))
    # Folders and names, the source's id in them.
    assert bench.below("lake") == files and len(files) > 2
    assert all(source_id(entry["url"]) in own for own in files)
    for own in files:
        written, expected = _message(bench, bench.home / "lake" / own), _message(bench, theirs / own)
        # Spark 3.5 has no type for a time of day: the same 64 bits without the annotation.
        assert written == [field.replace(" (TIME(MICROS,false))", "") for field in expected], (written, expected)
    schema = bench.frame().schema
    mine, their = bench.frame(schema), bench.spark.read.schema(schema).parquet(str(theirs / "orders"))
    assert mine.count() == their.count() > 20
    for field in schema.names:
        columns = list(dict.fromkeys(["id", field]))
        assert mine.select(columns).exceptAll(their.select(columns)).isEmpty(), field
    assert mine.exceptAll(their).isEmpty() and their.exceptAll(mine).isEmpty()
    return entry


def _their_rejects(fixtures, name):
    return [json.loads(line) for line in (fixtures / f"{name}-rejects.jsonl").read_text().split("\n") if line]


def rejects_end_in_the_lines_that_s3_to_lake_writes(bench, fixtures):
    _converted(bench, fixtures, "rejected")
    mine, theirs = bench.rejects(), _their_rejects(fixtures, "rejected")
    assert len(mine) == len(theirs) == 7 and bench.frame().count() == 2
    for own, their in zip(mine, theirs, strict=True):
        assert list(own) == list(their)
        rules, want = own.pop("rules"), their.pop("rules")
        assert own == their
        # Each tells reasons in its own words.
        assert [(each["rule"], each.get("column")) for each in rules] == [
            (each["rule"], each.get("column")) for each in want
        ]
    assert [own.get("raw_bytes") is not None for own in mine] == [False] * 5 + [True] * 2


def rows_handed_over_end_in_the_files_that_s3_to_lake_writes(bench, fixtures):
    _assert_same(bench, fixtures, "stamped")


def source_records_end_in_the_files_that_s3_to_lake_writes(bench, fixtures):
    entry = _assert_same(bench, fixtures, "unstamped")
    # For s3-to-lake to read.
    (fixtures / "note.json").write_text(json.dumps(bench.note(entry, "lake")))
