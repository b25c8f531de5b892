"""Glue job: the objects of a manifest, JSON Lines of one dataset, into Parquet as s3-to-lake writes it.

`--penstock_manifest` names a claim of glue-job-starter. A run of a manifest that ran before, or died on the way, ends
in the same files. Runs on any Spark 3.5; knows nothing of Glue but that its arguments are more than its own.
"""

import argparse
import concurrent.futures
import functools
import json
import re
import sys
from collections import Counter
from pathlib import Path

from py4j.protocol import Py4JJavaError
from pyspark import StorageLevel
from pyspark.sql import SparkSession, types
from pyspark.sql import functions as sql

import penstock_quarantine
import penstock_rows
import penstock_values
from penstock_files import Files, LeaseLost, Note, bucket_and_key, publish
from penstock_manifest import Manifest, ManifestError
from penstock_quarantine import PART_BYTES, Subject, put, put_parts, violation
from penstock_rows import STAMPS, Rows, Source, Tally, counted, folder_id, quarantined, read_lines, stable_id

# Calls to the store at the same time.
THREADS = 16
# Most bytes of an S3 key, and the last number that a file may have.
MAX_KEY_BYTES = 1024
LAST_FILE = (1 << 32) - 1
# Folders of files that nobody sees yet.
SOURCE, FOLDER = "_penstock_source", "_penstock_folder"
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
# What Java says of an object that is broken: thrown by what unpacks it, as its first frame tells. Everything else is no
# fault of an object: a Python worker that was killed is an EOFException, too.
BROKEN = re.compile(
    r"\bjava\.(?:\w+\.)+(\w+)(?::[^\n]*)?\n\s+at (?:org\.apache\.hadoop\.io\.compress|java\.[\w./]*util\.zip)\."
)
TRUNCATED = ("truncated", "the compressed data breaks off")
CORRUPT = ("corrupt_compression", "the compressed data is corrupt or its checksum is wrong")
# Rules of a line that is no record.
SHAPELESS = ("invalid_json", "not_an_object")
# The object is gone, or something of Spark's own.
GONE = ("FileNotFoundException", "FILE_NOT_EXIST")
LOST_WORKER = "SparkException: Python worker "
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


def object_fault(text):
    """Rule and reason of an object that Java stumbled over, `None` if it is no object's fault."""
    found = None if LOST_WORKER in text else BROKEN.search(text)
    if found is None:
        return None
    return TRUNCATED if found[1] == "EOFException" else CORRUPT


class Job:
    """One run over one manifest."""

    def __init__(self, spark, manifest, files, quarantine):
        self.spark, self.manifest, self.files, self.quarantine = spark, manifest, files, quarantine
        self.rows = Rows(manifest.columns, manifest.has_stamps, manifest.is_stamped)
        self.temp = f"{manifest.target}/_penstock/{manifest.run}"
        self.attempts = 0
        self.told = Counter(objects_refused=0)

    def run(self):
        """Whether every object that is still there was taken."""
        self.files.delete(self.temp)
        refusal = self.manifest.refusal()
        entries = list(self.manifest.entries.values())
        if refusal:
            for entry in entries:
                self._refuse(entry, "unreadable", refusal)
            entries = []
        self._convert(self._usable(entries))
        self.files.delete(self.temp)
        log("INFO", "manifest done", dataset=self.manifest.dataset, run=self.manifest.run, **self.told)
        return not self.told["objects_refused"]

    def _refuse(self, entry, rule, reason):
        """An object's own fault: nothing of it goes on."""
        etag, size = entry.content()
        own = stable_id(*bucket_and_key(entry.url), etag, str(size))
        subject = Subject(self.manifest.dataset, own, entry.url, None)
        put(self.quarantine, subject.key(), [subject.line([violation(rule, reason)]).encode()])
        self.told["objects_refused"] += 1
        log("ERROR", "object refused", dataset=self.manifest.dataset, source=entry.url, rule=rule, reason=reason)

    def _skip(self, entry):
        self.told["objects_superseded"] += 1
        log("INFO", "object superseded: a newer one has its own event", source=entry.url)

    def _leave(self, entry):
        self.told["objects_left"] += 1
        log("WARN", "lease lost: the source is left to who holds it", source=entry.url)

    def _note(self, entry):
        url = f"{self.manifest.work}/{self.manifest.notes}/{self.manifest.dataset}/{entry.id}.json"
        return Note(self.files, url, f"glue:{self.manifest.run}")

    def _usable(self, entries):
        """The objects that can be read, with what is written down of them."""

        def look(entry):
            try:
                entry.before = self._note(entry).free()
            except ValueError as fault:
                return "no_progress", str(fault)
            return entry.look(self.files, self.manifest.is_stamped)

        usable = []
        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            for entry, found in zip(entries, pool.map(look, entries), strict=True):
                if found is None:
                    usable.append(entry)
                elif found[0]:
                    self._refuse(entry, *found)
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
            found = object_fault(text)
            if found is None and not any(mark in text for mark in GONE):
                raise
            if len(entries) == 1:
                return self._stumble(entries[0], found, fault)
            half = len(entries) // 2
            self._convert(entries[:half])
            return self._convert(entries[half:])
        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            for entry, elsewhere in zip(staged, pool.map(self._publish, staged, staged.values()), strict=True):
                if elsewhere:
                    elsewhere(entry)
                    continue
                self.told["objects"] += 1
                self.told["files"] += len(staged[entry])

    def _stumble(self, entry, found, fault):
        if not self._is_same(entry):
            return self._skip(entry)
        if found is None:
            raise fault
        return self._refuse(entry, *found)

    def _is_same(self, entry):
        return self.files.status(entry.url) == entry.status

    def _publish(self, entry, moves):
        """Makes the files visible, or tells what becomes of an object that is not this run's any more."""
        if not self._is_same(entry):
            return self._skip
        source = self._source(entry)
        content = {"source": entry.url, "object_id": source.object_id, "etag": entry.etag}
        content["modified_ms"] = source.modified_ms
        is_same = functools.partial(self._is_same, entry)
        try:
            done = publish(self.files, self._note(entry), content, moves, self.manifest.target, is_same)
        except LeaseLost:
            return self._leave
        return None if done else self._skip

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
            tallies = {entry.id: Tally() for entry in entries}
            for part in records.mapPartitions(counted).collect():
                for own, tally in part.items():
                    tallies[own].add(tally)
            self._write_rejects(records, entries, tallies)
            self._write_rows(records, tallies, folder)
        finally:
            records.unpersist()
        return self._staged(entries, tallies, folder)

    def _subject(self, entry):
        own = self.manifest
        return Subject(own.dataset, self._source(entry).object_id, entry.url, own.contract_version)

    def _records(self, entries):
        if not entries:
            return None
        # Its own text for each: nothing in a key is a pattern.
        paths = ["".join(f"\\{c}" if c in "\\*?[]{}," else c for c in entry.status.url) for entry in entries]
        lines = self.spark.read.option("recursiveFileLookup", "true").text(paths, lineSep="\n")
        lines = lines.select(
            "_metadata.file_path", "_metadata.file_block_start", lines.value.cast("binary").alias("value")
        )
        sources = {entry.status.uri: (entry.id, self._source(entry), self._subject(entry)) for entry in entries}
        read = functools.partial(read_lines, self.rows, sources, self._starts(entries, lines))
        return lines.rdd.mapPartitions(read)

    def _starts(self, entries, lines):
        """Where the first line of each task's part of an object begins, and its number."""
        starts = {(entry.status.uri, 0): (entry.skips, 1) for entry in entries}
        least = min(self._bytes("spark.sql.files.openCostInBytes"), self._bytes("spark.sql.files.maxPartitionBytes"))
        if not any(entry.is_split(least) for entry in entries):
            return starts
        sizes = sql.sum(sql.octet_length("value") + 1).alias("length"), sql.count("*").alias("lines")
        parts = lines.groupBy("file_path", "file_block_start").agg(*sizes).orderBy("file_path", "file_block_start")
        path, end, number = None, 0, 0
        for part in parts.collect():
            if part.file_path != path:
                path, (end, number) = part.file_path, starts[part.file_path, 0]
            starts[path, part.file_block_start] = end, number
            end, number = end + part.length, number + part.lines
        return starts

    def _bytes(self, setting):
        return self.spark._jvm.org.apache.spark.network.util.JavaUtils.byteStringAsBytes(self.spark.conf.get(setting))

    def _write_rejects(self, records, entries, tallies):
        """Safe before anything is visible. By sections, so that no task has more of them than one of them holds."""
        rules = sum((own.rules for own in tallies.values()), Counter())
        rejected = sum(own.rejected for own in tallies.values())
        if not rejected:
            return
        log("WARN", "records were rejected", dataset=self.manifest.dataset, rejected=rejected, rules=rules)
        places = [types.StructField(name, types.LongType(), False) for name in ("section", "position")]
        schema = types.StructType([_text(SOURCE), *places, _text("line")])
        frame = self.spark.createDataFrame(records.mapPartitions(quarantined), schema, verifySchema=False)
        frame = frame.repartition(SOURCE, "section").sortWithinPartitions(SOURCE, "section", "position")
        subjects = {entry.id: self._subject(entry) for entry in entries}
        write = functools.partial(put_parts, self.quarantine, subjects, PART_BYTES)
        written = frame.select(SOURCE, "section", "line").rdd.mapPartitions(write).sum()
        if written != rejected:
            raise RuntimeError(f"{rejected} records were rejected, {written} are in quarantine")
        self.told["rows_rejected"] += rejected

    def _schema(self):
        fields = [types.StructField(own.name, _spark_type(own), not own.required) for own in self.rows.file_columns()]
        stamps = [*map(_text, STAMPS[:4]), types.StructField(STAMPS[4], types.BooleanType(), False)]
        return types.StructType([_text(SOURCE), _text(FOLDER), *fields, *(stamps if self.manifest.has_stamps else [])])

    def _write_rows(self, records, tallies, folder):
        if not any(own.rows for own in tallies.values()):
            return
        rows = records.filter(lambda own: own[1]).map(lambda own: (own[0], folder_id(own[1][0]), *own[1][1:]))
        frame = self.spark.createDataFrame(rows, self._schema(), verifySchema=False)
        # As many files as the rows need, however many tasks read them.
        frame = self.spark.sql(f"SELECT /*+ REBALANCE({SOURCE}, {FOLDER}) */ * FROM {{rows}}", rows=frame)
        # Without the file that says that all is there.
        writer = frame.write.option("mapreduce.fileoutputcommitter.marksuccessfuljobs", "false")
        writer.partitionBy(SOURCE, FOLDER).parquet(folder)

    def _staged(self, entries, tallies, folder):
        """Held against the counts before anything is visible."""
        files, written = {}, {}
        # Some stores have files that stand for folders.
        for url in (own for own in self.files.below(folder) if own.endswith(".parquet")):
            own, _, rest = url.partition(f"/{SOURCE}=")[2].partition(f"/{FOLDER}=")
            files.setdefault((own, rest.partition("/")[0]), []).append(url)
        if files:
            found = self.spark.read.schema(self._schema()).parquet(folder).groupBy(SOURCE).count().collect()
            written = {own[SOURCE]: own["count"] for own in found}
        staged = {}
        for entry in entries:
            tally = tallies[entry.id]
            if written.get(entry.id, 0) != tally.rows:
                raise RuntimeError(f"{entry.url} has {tally.rows} rows, {written.get(entry.id, 0)} were written")
            fault = self._fault(entry, tally)
            if fault:
                self._refuse(entry, *fault)
                continue
            self.told["rows"] += tally.rows
            staged[entry] = {
                self._file(entry, place, n): url
                for place in tally.rows_by_folder
                for n, url in enumerate(files[entry.id, folder_id(place)])
            }
        return staged

    def _file(self, entry, place, number):
        return f"{self.manifest.dataset}/{place}part-{entry.id}-{number:05}.parquet"

    def _fault(self, entry, tally):
        """Why nothing of an object is taken that could be read, as s3-to-lake decides it."""
        if self.manifest.is_stamped and tally.unstamped and tally.unstamped == tally.rows + tally.rejected:
            return "bad_stamp", "no record has the stamps of a row that a function has checked"
        # CSV, or objects over many lines: s3-to-lake takes those, too.
        shapeless = sum(tally.rules[rule] for rule in SHAPELESS)
        if not self.manifest.is_stamped and not tally.rows and tally.rejected and shapeless == tally.rejected:
            return "unreadable", "is no JSON Lines: none of its lines is an object"
        size = max((len(self._file(entry, own, LAST_FILE).encode()) for own in tally.rows_by_folder), default=0)
        if size > MAX_KEY_BYTES:
            return "too_long", f"a row's partition makes a key of {size} bytes, S3 takes {MAX_KEY_BYTES}"
        return None


def _text(name, nullable=False):
    return types.StructField(name, types.StringType(), nullable)


def _spark_type(own):
    return types.DecimalType(*own.sizes) if own.kind == "numeric" else SPARK_TYPES.get(own.kind, types.StringType())


def configure(spark):
    """Types and times as s3-to-lake has them, whatever the session had before; and what the executors import."""
    for name, value in SETTINGS.items():
        spark.conf.set(name, value)
    for module in (penstock_values, penstock_quarantine, penstock_rows):
        spark.sparkContext.addPyFile(str(Path(module.__file__).resolve()))


def main(arguments):
    """0 where all was taken."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--penstock_manifest", required=True)
    parser.add_argument("--penstock_quarantine", required=True)
    own = parser.parse_known_args(arguments)[0]
    url = own.penstock_manifest
    spark = SparkSession.builder.getOrCreate()
    configure(spark)
    files = Files(spark)
    text = files.read(url)
    if text is None:
        raise ManifestError(f"{url} does not exist")
    return 0 if Job(spark, Manifest(url, text), files, own.penstock_quarantine).run() else 1


# Glue takes any exit, be it with 0, for a failure.
if __name__ == "__main__" and main(sys.argv[1:]) != 0:
    sys.exit(1)
