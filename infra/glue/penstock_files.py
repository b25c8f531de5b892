"""Files through Hadoop's FileSystem: one code path for s3:// on Glue and file:// on any machine.

And what is written down of a source: which files of the lake may be there of it, so that a run that dies between any
two steps leaves nothing that the next one does not find. Knows no rows.
"""

import dataclasses
import json
import time

from py4j.protocol import Py4JError

from penstock_rows import stable_id

# How long another's lease is looked at, and how long a source's own lease is.
POLL_SECONDS = 2
LEASE_MS = 15 * 60 * 1000
# How often it is looked whether the lease is still the run's own, which begins anew then.
RENEW_MS = 60 * 1000
# No invocation of s3-to-lake holds one for longer.
MAX_WAIT_MS = 20 * 60 * 1000


class Files:
    """Files by their URLs."""

    def __init__(self, spark):
        self._jvm = spark._jvm
        self._conf = spark._jsc.hadoopConfiguration()

    def _at(self, url):
        path = self._jvm.org.apache.hadoop.fs.Path(url)
        return path.getFileSystem(self._conf), path

    def _uri(self, url):
        return self._jvm.org.apache.hadoop.fs.Path(url).toUri()

    def status(self, url):
        """What is told of a file's content; `None` if there is none."""
        files, path = self._at(url)
        # A missing file is an error for Java, and py4j tells Java's errors by their text alone.
        if not files.exists(path):
            return None
        own = files.getFileStatus(path)
        return None if own.isDirectory() else Status(own, self._uri)

    def head(self, url, size):
        """The first bytes of a file."""
        files, path = self._at(url)
        stream = files.open(path)
        try:
            return bytes(stream.readNBytes(size))
        finally:
            stream.close()

    def read(self, url):
        """A whole small file; `None` if there is none."""
        files, path = self._at(url)
        if not files.exists(path):
            return None
        stream = files.open(path)
        try:
            return bytes(stream.readAllBytes()).decode()
        finally:
            stream.close()

    def write(self, url, text):
        """A whole small file, in place of what was there."""
        files, path = self._at(url)
        stream = files.create(path, True)
        try:
            stream.write(bytearray(text.encode()))
        finally:
            stream.close()

    def delete(self, url):
        """A file, or a folder with all that is in it; what is not there is deleted already."""
        files, path = self._at(url)
        if not files.delete(path, True) and files.exists(path):
            raise OSError(f"{url} cannot be deleted")

    def move(self, url, target):
        """A file to another place, in place of what was there."""
        files, path = self._at(url)
        _, to = self._at(target)
        if files.exists(to):
            files.delete(to, False)
        if not files.rename(path, to):
            raise OSError(f"{url} cannot be moved to {target}")

    def below(self, folder):
        """URLs of all files below a folder, in order."""
        files, path = self._at(folder)
        if not files.exists(path):
            return []
        found, each = [], files.listFiles(path, True)
        while each.hasNext():
            found.append(each.next().getPath().toString())
        return sorted(found)


class Status:
    """What a file system tells of a file's content."""

    def __init__(self, own, uri_of):
        self.url = own.getPath().toString()
        # As Spark tells of a row where it was read.
        self.uri = uri_of(self.url).toString()
        self.bytes = own.getLen()
        self.modified_ms = own.getModificationTime()
        try:
            self.etag = (own.getEtag() or "").strip('"') or None
        except Py4JError:
            # Not every file system has one.
            self.etag = None

    def tells_another(self, etag, size):
        """Whether it is surely not the content of this ETag and size."""
        return self.bytes != size or bool(self.etag and etag and self.etag != etag.strip('"'))

    def __eq__(self, other):
        own = (self.bytes, self.modified_ms, self.etag)
        return isinstance(other, Status) and own == (other.bytes, other.modified_ms, other.etag)

    __hash__ = None


def bucket_and_key(url):
    """`s3://bucket/a/b` is `("bucket", "a/b")`."""
    bucket, _, key = url.partition("://")[2].partition("/")
    return bucket, key


def source_id(url):
    """What names the files of a source: of bucket and key, not of the content."""
    return stable_id(*bucket_and_key(url))


class LeaseLost(Exception):
    """The source is another's now, who knows every file that is noted."""


@dataclasses.dataclass(frozen=True)
class Note:
    """The note of one source, changed by one run at a time: the job allows no second one, and s3-to-lake, which
    changes the notes of the lake by compare and swap, keeps away from a lease that is held. Hadoop has no such swap:
    a `Lease` reads back what it wrote."""

    files: Files
    url: str
    holder: str

    def read(self):
        """What is written; nothing where none is. A broken note is told, not guessed at."""
        found = self.files.read(self.url)
        if found is None:
            return {}
        try:
            note = json.loads(found)
            if not all(isinstance(own, str) for own in note.get("files", [])) or int(note.get("until_ms", 0)) < 0:
                raise ValueError
        except (ValueError, TypeError, AttributeError):
            raise ValueError(f"{self.url} is not a note of Penstock") from None
        return note

    def free(self):
        """What is written, once no other holds the lease. A lease always ends."""
        deadline = now_ms() + MAX_WAIT_MS
        while True:
            note = self.read()
            if note.get("holder") == self.holder or note.get("until_ms", 0) <= now_ms():
                return note
            if now_ms() > deadline:
                raise TimeoutError(f"{self.url} is held for longer than a lease lasts")
            time.sleep(POLL_SECONDS)

    def write(self, note):
        """Puts the note in place of the one that was there."""
        self.files.write(self.url, json.dumps(note, ensure_ascii=False))


def now_ms():
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Lease:
    """The lease of a source, from its first writing to its end."""

    def __init__(self, note, content):
        self.note, self.content = note, content
        self.written, self.until_ms = {}, 0

    def take(self):
        """Writes the note down with the lease in it; an error where somebody else did so at the same time."""
        self._write("open", now_ms() + LEASE_MS)
        self._check()

    def hold(self):
        """Before each change: an error where the source is another's now."""
        if now_ms() >= self.until_ms - LEASE_MS + RENEW_MS:
            self._check()
            self.take()

    def end(self, files):
        """Gives the lease back, with the files that are there from now on."""
        self._check()
        self.content = {**self.content, "files": files}
        self._write("done", 0)

    def give_back(self, before):
        """As if it had not been taken: nothing was changed."""
        self._check()
        self.note.write({**self.written, "files": [], **before, "until_ms": 0})

    def _write(self, state, until_ms):
        self.until_ms = until_ms
        lease = {"state": state, "holder": self.note.holder, "until_ms": until_ms, "attempts": 0}
        self.written = {**self.content, **lease}
        self.note.write(self.written)

    def _check(self):
        try:
            is_own = self.note.read() == self.written
        except ValueError:
            is_own = False
        if not is_own:
            raise LeaseLost(f"{self.note.url} was written by another")


def publish(files, note, content, moves, target, is_same):
    """Puts a source's new files, by key below the target, in place of its old ones; gives whether the source was still
    the same.

    The note names every file that may be there before any of them is; so whoever comes after a death finds them all.
    """
    before = note.free()
    new, old = sorted(moves), [key for key in before.get("files", []) if key not in moves]
    lease = Lease(note, {**before, **content, "files": sorted({*old, *new})})
    lease.take()
    if not is_same():
        lease.give_back(before)
        return False
    for key in new:
        lease.hold()
        files.move(moves[key], f"{target}/{key}")
    for key in old:
        lease.hold()
        files.delete(f"{target}/{key}")
    lease.end(new)
    return True
