"""The manifest of a run, a claim of glue-job-starter, and the objects that it names: which of them can be read.

Knows no rows' values and nothing of what Spark does.
"""

import json
import zlib

from penstock_files import bucket_and_key, source_id
from penstock_rows import BLANK_BYTES, column, stable_id

GZIP, ZSTD, BOM = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xef\xbb\xbf"
# Claims of rows that another function stamped, which go into the curated bucket, and of source records, into the lake:
# whether they are stamped, and the folder of their notes.
KINDS = {"job": (True, "curated"), "lake-job": (False, "lake")}
UNREAD = "the Glue job cannot read source records of this dataset"
# How much of an object is looked at before it is read.
HEAD_BYTES = 1024
# Names by which Hadoop chooses a decompressor.
CODECS = (".bz2", ".deflate", ".lz4", ".snappy", ".zst", ".zstd")


class ManifestError(Exception):
    """The manifest cannot be used."""


class Manifest:
    """What is to be done: read once, refused as a whole where it is wrong."""

    def __init__(self, url, text):
        try:
            own = json.loads(text)
            if own["version"] != 1:
                raise ValueError(f"is of version {own['version']}, which is not known")
            self.dataset, self.contract_version = own["dataset"], own.get("contract_version")
            self.target, self.work = own["target"].rstrip("/"), own["work"].rstrip("/")
            # Below which folder of the work bucket it is written down what may be there of a source.
            self.is_stamped, self.notes = KINDS[url.split("/")[-2]]
            self.has_stamps = bool(own["stamps"])
            self.columns = [column(each) for each in own["columns"]]
            self.needs = own.get("unstamped_needs")
            self.entries = {}
            for each in own["entries"]:
                entry = self.entries.setdefault(each["url"], Entry(each["url"]))
                entry.contents.append((each["etag"] or "", int(each["bytes"])))
        except (KeyError, TypeError, ValueError, AttributeError) as fault:
            raise ManifestError(f"{url} is not a manifest of Penstock: {type(fault).__name__}: {fault}") from fault
        # The same for every run of the manifest, so that a rerun finds what a death left behind.
        self.run = stable_id(url)

    def refusal(self):
        """Why no object of the manifest can be read; `None` if they can."""
        if self.is_stamped:
            return None
        if self.needs is None:
            return f"{UNREAD}; the manifest does not say what its contract asks for"
        needs = list(self.needs)
        needs += ["derived columns"] if any(own.derived for own in self.columns) else []
        needs += ["places of rows as their identity"] if self.has_stamps and not self._key() else []
        needs += ["the Python module blake3"] if self.has_stamps and not _has_blake3() else []
        return f"{UNREAD}; its contract asks for: {', '.join(dict.fromkeys(needs))}" if needs else None

    def _key(self):
        return [own for own in self.columns if own.key is not None]


def _has_blake3():
    try:
        import blake3  # noqa: F401
    except ImportError:
        return False
    return True


class Entry:
    """One key of the manifest. It may name several contents of it, of which at most one is still there."""

    def __init__(self, url):
        self.url = url
        self.id = source_id(url)
        self.contents = []
        self.etag, self.size = "", 0
        self.status = self.before = None
        self.skips = 0

    def content(self):
        """ETag and size of the content that is read, or was told of last."""
        etag, size = (self.etag, self.size) if self.etag or self.size else self.contents[-1]
        return etag.strip('"'), size

    def look(self, files, is_stamped):
        """Why the object is left out, and the rule of the quarantine if somebody has to act: `(rule, reason)`, else
        `None`."""
        _, key = bucket_and_key(self.url)
        name = key.rpartition("/")[2]
        if "//" in key or not name or any(part in (".", "..") for part in key.split("/")):
            return "unreadable", "Hadoop takes its key for another one"
        if name.startswith(("_", ".")):
            return "unreadable", "Spark takes its name for that of a hidden file"
        self.status = files.status(self.url)
        left = [own for own in self.contents if self.status and not self.status.tells_another(*own)]
        if not left:
            return None, "the object vanished or was replaced"
        self.etag, self.size = left[-1]
        return self._look_inside(files.head(self.url, HEAD_BYTES), is_stamped) if self.size else None

    def _look_inside(self, head, is_stamped):
        is_gzip = head.startswith(GZIP)
        if head.startswith(ZSTD):
            return "unreadable", "is compressed with zstd"
        if is_gzip != self.url.endswith(".gz"):
            return "unreadable", "is gzip without ending in .gz, or ends in .gz without being gzip"
        if self.url.endswith(CODECS):
            return "unreadable", "Spark takes its name for that of a compressed file"
        if is_gzip:
            try:
                head = zlib.decompressobj(31).decompress(head, HEAD_BYTES)
            except zlib.error:
                return "corrupt_compression", "the compressed data is corrupt from its first bytes on"
        self.skips = len(BOM) if head.startswith(BOM) else 0
        # s3-to-lake takes those, too. Here the last element alone would be a row: no comma stands behind it.
        if not is_stamped and head[self.skips :].lstrip(BLANK_BYTES).startswith(b"["):
            return "unreadable", "is an array, and no JSON Lines"
        return None

    def is_split(self, max_bytes):
        """Whether several tasks may read it."""
        return self.size > max_bytes and not self.url.endswith(".gz")
