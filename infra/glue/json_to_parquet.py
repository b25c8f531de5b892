"""Glue job: the objects of a manifest, JSON Lines of one dataset, into Parquet as s3-to-lake writes it.

`--penstock_manifest` names a claim of glue-job-starter. A run of a manifest that ran before, or died on the way, ends
in the same files. Runs on any Spark 3.5; knows nothing of Glue but that its arguments are more than its own.
"""

import argparse
import concurrent.futures
import functools
import json
import sys
from collections import Counter
from pathlib import Path

from py4j.protocol import Py4JJavaError
from pyspark import StorageLevel
from pyspark.sql import SparkSession, types
from pyspark.sql import functions as sql

import penstock_rows
import penstock_values
from penstock_files import Files, Note, bucket_and_key, publish
from penstock_manifest import Manifest, ManifestError
from penstock_rows import STAMPS, Rows, Source, counted, read_lines, stable_id

# Calls to the store at the same time.
THREADS = 16
SOURCE = "_penstock_source"
SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.writeLegacyFormat": "false",
    "spark.sql.parquet.compression.codec": "zstd",
    # Days before 1582 and hours before 1900 as they are written.
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    # Nothing is left out silently.
    "spark.sql.files.ignoreCorruptFiles": "false",
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.adaptive.advisoryPartitionSizeInBytes": "256m",
}
# What Java says of an object that is broken or gone; everything else is no fault of an object.
OBJECT_FAULTS = {
    "EOFException": "truncated",
    "Unexpected end of": "truncated",
    "IOException: not a gzip file": "corrupt_compression",
    "IOException: gzip": "corrupt_compression",
    "IOException: stored gzip": "corrupt_compression",
    "java.util.zip": "corrupt_compression",
    "FileNotFoundException": "superseded",
    "FILE_NOT_EXIST": "superseded",
}
SPARK_TYPES = {
    "smallint": types.ShortType(),
    "integer": types.IntegerType(),
    "bigint": types.LongType(),
    "real": types.FloatType(),
    "double precision": types.DoubleType(),
    "boolean": types.BooleanType(),
    "date": types.DateType(),
    # Spark 3.5 has no type for it: the same 64 bits, microseconds of the day, without the annotation.
    "time": types.LongType(),
    "timestamp": types.TimestampNTZType(),
    "timestamptz": types.TimestampType(),
    "varbyte": types.BinaryType(),
}


def log(level, message, **fields):
    """One line of JSON; never a row's values."""
    print(json.dumps({"level": level, "message": message, **fields}, ensure_ascii=False), flush=True)


class Job:
    """One run over one manifest."""

    def __init__(self, spark, manifest, files):
        self.spark, self.manifest, self.files = spark, manifest, files
        self.rows = Rows(manifest.columns, manifest.has_stamps, manifest.is_stamped)
        self.temp = f"{manifest.target}/_penstock/{manifest.run}"
        self.rejects = f"{manifest.work}/glue-rejects/{manifest.dataset}/{manifest.run}"
        self.attempts = 0
        self.refused, self.told = [], Counter()

    def run(self):
        """Whether every object that is still there was taken."""
        self.files.delete(self.temp)
        self.files.delete(self.rejects)
        refusal = self.manifest.refusal()
        entries = list(self.manifest.entries.values())
        if refusal:
            for entry in entries:
                self._refuse(entry, refusal)
            entries = []
        self._convert(self._usable(entries))
        lines = [json.dumps({"dataset": self.manifest.dataset, **own}, ensure_ascii=False) for own in self.refused]
        if lines:
            self.files.write(f"{self.rejects}/objects.jsonl", "\n".join([*lines, ""]))
        self.files.delete(self.temp)
        told = {**self.told, "objects_refused": len(self.refused)}
        log("INFO", "manifest done", dataset=self.manifest.dataset, run=self.manifest.run, **told)
        return not self.refused

    def _refuse(self, entry, reason):
        self.refused.append({"source": entry.url, "reason": reason})
        log("ERROR", "object refused", dataset=self.manifest.dataset, source=entry.url, reason=reason)

    def _skip(self, entry):
        self.told["objects_superseded"] += 1
        log("INFO", "object superseded: a newer one has its own event", source=entry.url)

    def _note(self, entry):
        url = f"{self.manifest.work}/{self.manifest.notes}/{self.manifest.dataset}/{entry.id}.json"
        return Note(self.files, url, f"glue:{self.manifest.run}")

    def _usable(self, entries):
        """The objects that can be read, with what is written down of them."""

        def look(entry):
            try:
                entry.before = self._note(entry).free()
            except ValueError as fault:
                return str(fault), True
            return entry.look(self.files)

        usable = []
        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            for entry, found in zip(entries, pool.map(look, entries), strict=True):
                if found is None:
                    usable.append(entry)
                elif found[1]:
                    self._refuse(entry, found[0])
                else:
                    self._skip(entry)
        return usable

    def _convert(self, entries):
        """A broken object must not stop the others: where Spark stumbles, the halves go on alone."""
        if not entries:
            return
        try:
            staged = self._stage(entries)
        except Py4JJavaError as fault:
            text = str(fault)
            rule = next((rule for mark, rule in OBJECT_FAULTS.items() if mark in text), None)
            if rule is None:
                raise
            if len(entries) == 1:
                return self._refuse(entries[0], rule) if self._is_same(entries[0]) else self._skip(entries[0])
            half = len(entries) // 2
            self._convert(entries[:half])
            return self._convert(entries[half:])
        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            for entry, is_done in zip(staged, pool.map(self._publish, staged, staged.values()), strict=True):
                if not is_done:
                    self._skip(entry)
                    continue
                self.told["objects"] += 1
                self.told["files"] += len(staged[entry])

    def _is_same(self, entry):
        return self.files.status(entry.url) == entry.status

    def _publish(self, entry, moves):
        note = self._note(entry)
        before = note.free()
        if not self._is_same(entry):
            return False
        source = self._source(entry)
        content = {"source": entry.url, "object_id": source.object_id, "etag": entry.etag}
        publish(self.files, note, before, {**content, "modified_ms": source.modified_ms}, self.manifest.target, moves)
        return True

    def _source(self, entry):
        """As s3-to-lake wrote it down when it handed the object over; else by what the file system tells."""
        known = entry.before
        if known.get("etag") == entry.etag and known.get("object_id"):
            return Source(entry.url, known["object_id"], int(known["modified_ms"]))
        own = stable_id(*bucket_and_key(entry.url), "ETAG", entry.etag, str(entry.size))
        return Source(entry.url, own, entry.status.modified_ms)

    def _stage(self, entries):
        """The rows of these objects as files that nobody sees: by object, where each of them shall lie."""
        self.attempts += 1
        folder = f"{self.temp}/{self.attempts}"
        records = self._records([entry for entry in entries if entry.size])
        if records is None:
            return {entry: {} for entry in entries}
        records.persist(StorageLevel.DISK_ONLY)
        try:
            counts = sum(records.mapPartitions(counted).collect(), Counter())
            self._write_rejects(records, counts)
            self._write_rows(records, counts, folder)
        finally:
            records.unpersist()
        return self._staged(entries, counts, folder)

    def _records(self, entries):
        if not entries:
            return None
        # Its own text for each: nothing in a key is a pattern.
        paths = ["".join(f"\\{c}" if c in "\\*?[]{}," else c for c in entry.status.url) for entry in entries]
        lines = self.spark.read.option("recursiveFileLookup", "true").text(paths, lineSep="\n")
        lines = lines.select(
            "_metadata.file_path", "_metadata.file_block_start", lines.value.cast("binary").alias("value")
        )
        sources = {entry.status.uri: (entry.id, self._source(entry)) for entry in entries}
        read = functools.partial(read_lines, self.rows, self.manifest.dataset, sources, self._starts(entries, lines))
        return lines.rdd.mapPartitions(read)

    def _starts(self, entries, lines):
        """Where the first record of each task's part of an object begins."""
        starts = {(entry.status.uri, 0): entry.skips for entry in entries}
        least = min(self._bytes("spark.sql.files.openCostInBytes"), self._bytes("spark.sql.files.maxPartitionBytes"))
        if not any(entry.is_split(least) for entry in entries):
            return starts
        length = sql.sum(sql.octet_length("value") + 1).alias("length")
        parts = lines.groupBy("file_path", "file_block_start").agg(length).orderBy("file_path", "file_block_start")
        path, end = None, 0
        for part in parts.collect():
            if part.file_path != path:
                path, end = part.file_path, starts[part.file_path, 0]
            starts[path, part.file_block_start] = end
            end += part.length
        return starts

    def _bytes(self, setting):
        return self.spark._jvm.org.apache.spark.network.util.JavaUtils.byteStringAsBytes(self.spark.conf.get(setting))

    def _write_rejects(self, records, counts):
        rules = Counter()
        for (_, rule), count in counts.items():
            if rule:
                rules[rule] += count
        if rules:
            log("WARN", "rows refused", dataset=self.manifest.dataset, rules=rules, written_to=self.rejects)
            lines = records.filter(lambda own: own[1]).map(lambda own: (own[2],))
            frame = self.spark.createDataFrame(lines, types.StructType([_text("value")]))
            _unmarked(frame.write.mode("overwrite")).text(f"{self.rejects}/rows-{self.attempts}")
        self.told["rows_rejected"] += sum(rules.values())

    def _schema(self):
        columns = self.manifest.columns
        folders = [_text(columns[i].name, True) for i in self.rows.partitions]
        fields = [types.StructField(own.name, _spark_type(own), not own.required) for own in self.rows.file_columns()]
        stamps = [*map(_text, STAMPS[:4]), types.StructField(STAMPS[4], types.BooleanType(), False)]
        return types.StructType([_text(SOURCE), *folders, *fields, *(stamps if self.manifest.has_stamps else [])])

    def _write_rows(self, records, counts, folder):
        if not any(rule is None for _, rule in counts):
            return
        folders = [SOURCE, *(self.manifest.columns[i].name for i in self.rows.partitions)]
        rows = records.filter(lambda own: own[1] is None).map(lambda own: (own[0], *own[2]))
        frame = self.spark.createDataFrame(rows, self._schema(), verifySchema=False)
        # As many files as the rows need, however many tasks read them.
        names = ", ".join(f"`{name}`" for name in folders)
        frame = self.spark.sql(f"SELECT /*+ REBALANCE({names}) */ * FROM {{rows}}", rows=frame)
        _unmarked(frame.write.partitionBy(*folders)).parquet(folder)

    def _staged(self, entries, counts, folder):
        """Held against the counts before anything is visible."""
        files, written = {}, {}
        # Some stores have files that stand for folders.
        for url in (own for own in self.files.below(folder) if own.endswith(".parquet")):
            own, _, rest = url.partition(f"/{SOURCE}=")[2].partition("/")
            files.setdefault(own, {}).setdefault(rest.rpartition("/")[0], []).append(url)
        if files:
            found = self.spark.read.schema(self._schema()).parquet(folder).groupBy(SOURCE).count().collect()
            written = {own[SOURCE]: own["count"] for own in found}
        staged = {}
        for entry in entries:
            good = counts[entry.id, None]
            if written.get(entry.id, 0) != good:
                raise RuntimeError(f"{entry.url} has {good} rows, {written.get(entry.id, 0)} were written")
            if not good and any(own == entry.id and rule for own, rule in counts):
                self._refuse(entry, "none of its records is a row of the dataset")
                continue
            self.told["rows"] += good
            staged[entry] = {
                "/".join(filter(None, (self.manifest.dataset, place, f"part-{entry.id}-{n:05}.parquet"))): url
                for place, urls in files.get(entry.id, {}).items()
                for n, url in enumerate(urls)
            }
        return staged


def _text(name, nullable=False):
    return types.StructField(name, types.StringType(), nullable)


def _spark_type(own):
    return types.DecimalType(*own.sizes) if own.kind == "numeric" else SPARK_TYPES.get(own.kind, types.StringType())


def _unmarked(writer):
    """Without the file that says that all is there."""
    return writer.option("mapreduce.fileoutputcommitter.marksuccessfuljobs", "false")


def configure(spark):
    """Types and times as s3-to-lake has them, whatever the session had before; and what the executors import."""
    for name, value in SETTINGS.items():
        spark.conf.set(name, value)
    for module in (penstock_values, penstock_rows):
        spark.sparkContext.addPyFile(str(Path(module.__file__).resolve()))


def main(arguments):
    """0 where all was taken."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--penstock_manifest", required=True)
    url = parser.parse_known_args(arguments)[0].penstock_manifest
    spark = SparkSession.builder.getOrCreate()
    configure(spark)
    files = Files(spark)
    text = files.read(url)
    if text is None:
        raise ManifestError(f"{url} does not exist")
    return 0 if Job(spark, Manifest(url, text), files).run() else 1


# Glue takes any exit, be it with 0, for a failure.
if __name__ == "__main__" and main(sys.argv[1:]) != 0:
    sys.exit(1)
