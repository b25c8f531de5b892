"""What is refused, as lines of the quarantine: the lines and keys that `crates/core/src/quarantine.rs` and
`crates/aws/src/quarantine.rs` make, so that a rerun rewrites and never doubles them.

Lines hold raw values: only the quarantine bucket may get them, and nothing of them is logged. Knows no Spark.
"""

import dataclasses
import functools
import gzip
import itertools
import json
from pathlib import Path

# The writer in keys.
WRITER = "json-to-parquet"
# Raw bytes of one line at the most; a longer record is cut and says so.
MAX_RAW_BYTES = 1 << 20
# Bytes of one object before compression, and of a source that are one task's to write.
PART_BYTES = 8 << 20
SECTION_BYTES = 256 << 20


@dataclasses.dataclass(frozen=True)
class Subject:
    """Whose rejects these are; `object_id` names a content of the source."""

    dataset: str
    object_id: str
    source: str
    contract_version: str | None

    def key(self, section=0, part=0):
        """Key of the n-th part of a section; the first section's keys are those of a whole object."""
        return f"{self.dataset}/{self.object_id}/{WRITER}-{f's{section:06}-' if section else ''}{part:06}.jsonl.gz"

    def line(self, rules, position=None, number=None, record=b""):
        """One reject with its line's end: of a record, or without one of the whole object."""
        own = {**dataclasses.asdict(self), "position": position, "line": number, "rules": [*map(_present, rules)]}
        return json.dumps(_present(own | _raw(record)), ensure_ascii=False, separators=(",", ":")) + "\n"


def violation(rule, reason, column=None):
    """One broken rule; the reason never holds a value."""
    return {"rule": rule, "column": column, "reason": reason}


def _present(fields):
    return {name: own for name, own in fields.items() if own is not None}


def _raw(record):
    kept, is_cut = record[:MAX_RAW_BYTES], len(record) > MAX_RAW_BYTES
    try:
        text = kept.decode()
    except UnicodeDecodeError as fault:
        # A cut may stand inside a character.
        text = kept[: fault.start].decode() if is_cut and fault.start + 4 > len(kept) else None
    raw_hex = kept.hex() if text is None else None
    return {"raw": text or None, "raw_hex": raw_hex, "raw_bytes": len(record) if is_cut else None}


def put_parts(bucket, subjects, part_bytes, rejects):
    """Writes the rejects of whole sections, which come as `(source, section, line)` one after another; gives how many
    there were. Where a part ends depends on the lines alone."""
    for (source, section), group in itertools.groupby(rejects, key=lambda own: (own[0], own[1])):
        written = 0
        for part, lines in enumerate(_parts((own[2] for own in group), part_bytes)):
            put(bucket, subjects[source].key(section, part), lines)
            written += len(lines)
        yield written


def _parts(lines, part_bytes):
    waiting, size = [], 0
    for line in lines:
        waiting.append(line.encode())
        size += len(waiting[-1])
        if size >= part_bytes:
            yield waiting
            waiting, size = [], 0
    if waiting:
        yield waiting


def put(bucket, key, lines):
    """One object. The role may put here and neither read nor list, which Hadoop's file systems want before they
    write; and without headers that ask for another, it gets the bucket's own encryption."""
    body = gzip.compress(b"".join(lines), mtime=0)
    scheme, _, place = bucket.rstrip("/").partition("://")
    if scheme == "file":
        path = Path(place, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        return
    how = {"ContentType": "application/x-ndjson", "ContentEncoding": "gzip"}
    _s3().put_object(Bucket=place, Key=key, Body=body, **how)


@functools.lru_cache(1)
def _s3():
    # Glue has it on all of its machines; with folders for buckets nothing needs it.
    import boto3

    return boto3.client("s3")
