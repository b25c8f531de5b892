"""Records of a dataset into its rows: stamped rows as Penstock hands them over, or source records of a keyed dataset.

Gives each row's partition and values in the order of the lake's columns, or the rules that it breaks. Knows no Spark.
"""

import dataclasses
import functools
import hashlib
import re
from collections import Counter

from penstock_quarantine import SECTION_BYTES, violation
from penstock_values import DECODER, INTEGERS, KEPT, TEXTS, Number, Reject, canonical

BLAKE3_BLOCK = 64
STAMPS = ("_record_id", "_row_hash", "_order", "_source", "_deleted")
HEX_ID = re.compile("[0-9a-f]{32}")
ORDER = re.compile("[A-Za-z0-9/]{1,128}", re.ASCII)
MAX_SOURCE_BYTES = 4096
# A longer one is no record for any of Penstock's functions.
MAX_RECORD_BYTES = 4 << 20
# What Hive and Spark escape in a path, and what they call a folder of NULL.
ESCAPED = re.compile("[\x01-\x1f\x7f\"#%'*/:=?\\\\{\\[\\]^]")
NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
BLANK = " \t\r\n\f"
BLANK_BYTES = BLANK.encode()
SPACE = re.compile(r"[ \t\r\n]*")


def stable_id(*texts):
    """The first 128 bits of SHA-256 over length-prefixed texts."""
    joined = b"".join(b"%d:%b" % (len(own), own) for own in (text.encode() for text in texts))
    return hashlib.sha256(joined).hexdigest()[:32]


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of the contract."""

    name: str
    source_name: str
    kind: str
    sizes: tuple
    required: bool
    key: int | None
    partition: int | None
    derived: bool


def column(own):
    """Reads a column of the manifest; a wrong one is a ValueError."""
    kind, *sizes = re.findall(r"[a-z]+(?: [a-z]+)*|[0-9]+", own["type"])
    if kind != "super" and kind not in INTEGERS and kind not in TEXTS:
        raise ValueError(f"column {own['name']} is of the type {own['type']}, which is not known")
    return Column(
        own["name"],
        own.get("source_name") or own["name"],
        kind,
        tuple(map(int, sizes)),
        bool(own["required"]),
        own.get("key"),
        own.get("partition"),
        bool(own.get("derived")),
    )


@dataclasses.dataclass(frozen=True)
class Source:
    """One object: where it lies, and the content that its rows' order speaks of."""

    url: str
    object_id: str
    modified_ms: int


@dataclasses.dataclass
class Tally:
    """What the records of one source came to."""

    rows_by_folder: Counter = dataclasses.field(default_factory=Counter)
    # Each rule as often as it is broken.
    rules: Counter = dataclasses.field(default_factory=Counter)
    rejected: int = 0
    # Rejects without usable stamps.
    unstamped: int = 0

    @property
    def rows(self):
        return self.rows_by_folder.total()

    def add(self, other):
        """Takes the records of another part of the source in."""
        self.rows_by_folder.update(other.rows_by_folder)
        self.rules.update(other.rules)
        self.rejected += other.rejected
        self.unstamped += other.unstamped


@functools.lru_cache(1 << 14)
def folder_of(names, texts):
    """The folders of a row, as Hive and Spark write them, with a slash behind each."""
    escaped = (ESCAPED.sub(lambda own: f"%{ord(own[0]):02X}", text or "") or NULL_PARTITION for text in texts)
    return "".join(f"{name}={text}/" for name, text in zip(names, escaped, strict=True))


@functools.lru_cache(1 << 14)
def folder_id(folder):
    """What stands for folders while nobody sees them: a short name, whatever the values."""
    return stable_id(folder)


def members(record):
    """Members of a record that is one JSON object: by name the value, and the text that it was written as."""
    if len(record) > MAX_RECORD_BYTES:
        raise Reject("record_too_large", f"has {len(record)} bytes, a record has at most {MAX_RECORD_BYTES}")
    try:
        line = record.decode()
    except UnicodeDecodeError as fault:
        raise Reject("not_utf8", f"byte {fault.start} is not UTF-8") from None
    if not line.startswith("{"):
        raise Reject("not_an_object", "a record must be a JSON object")
    found = {}
    try:
        for name, value, raw in _scan(line):
            if name in found:
                raise Reject("duplicate_key", "the key stands twice in the record", name)
            found[name] = (value, raw)
    except (ValueError, IndexError, StopIteration, RecursionError):
        raise Reject("invalid_json", "is not one JSON object in one line") from None
    return found


def _scan(line):
    space = SPACE.match
    at = space(line, 1).end()
    closed = line[at] == "}"
    while not closed:
        if line[at] != '"':
            raise ValueError
        name, at = DECODER.parse_string(line, at + 1, True)
        name.encode()
        # Most records have no blanks, and each is looked at once a member.
        if line[at] <= " ":
            at = space(line, at).end()
        if line[at] != ":":
            raise ValueError
        start = at + 1 if line[at + 1] > " " else space(line, at + 1).end()
        # A StopIteration would end this generator's loop as a RuntimeError.
        try:
            value, end = DECODER.scan_once(line, start)
        except StopIteration:
            raise ValueError from None
        yield name, value, line[start:end]
        at = end if line[end] > " " else space(line, end).end()
        closed = line[at] == "}"
        if not closed and line[at] != ",":
            raise ValueError
        if not closed:
            at = at + 1 if line[at + 1] > " " else space(line, at + 1).end()
    if line[at + 1 :].strip(BLANK):
        raise ValueError


class Rows:
    """Reads the records of one dataset; made once for all of them."""

    def __init__(self, columns, has_stamps, is_stamped):
        self.columns = columns
        self.has_stamps = has_stamps
        self.is_stamped = is_stamped
        numbered = list(enumerate(columns))
        self.key = [i for i, own in sorted(numbered, key=lambda own: own[1].key or 0) if own.key is not None]
        partitions = [own for own in numbered if own[1].partition is not None]
        self.partitions = [i for i, own in sorted(partitions, key=lambda own: own[1].partition)]
        self.folders = tuple(columns[i].name for i in self.partitions)
        self.in_files = [i for i, own in numbered if own.partition is None]
        self.hashed = sorted((own.name.encode(), i) for i, own in numbered)

    def file_columns(self):
        """The columns that are no folders."""
        return [self.columns[i] for i in self.in_files]

    def read(self, record, position, source):
        """Folder and values of a record at a place of its source; every rule that it breaks."""
        try:
            found = members(record)
        except Reject as fault:
            return None, [_told(fault, None)]
        texts, broken = self._texts(found)
        stamps = None
        try:
            stamps = self._kept_stamps(found, texts, source, bool(broken)) if self.is_stamped else None
        except Reject as fault:
            broken.append(_told(fault, None))
        if broken:
            return None, broken
        if not self.is_stamped and self.has_stamps:
            stamps = self._own_stamps(texts, position, source)
        return self._values(texts, stamps), None

    def _texts(self, found):
        texts, broken = [], []
        for own in self.columns:
            value, raw = found.get(own.name if self.is_stamped else own.source_name, (None, None))
            try:
                if value is None and own.required:
                    raise Reject("required", "is required and is missing or null")
                texts.append(None if value is None else canonical(own.kind, own.sizes, value, raw))
            except Reject as fault:
                texts.append(None)
                broken.append(_told(fault, own.source_name))
        return texts, broken

    def _record_id(self, texts):
        return stable_id(*(texts[i] or "" for i in self.key))

    def _kept_stamps(self, found, texts, source, is_broken):
        record_id, row_hash, order, own_source, deleted = (found.get(name, (None, None))[0] for name in STAMPS)
        for name, value in (("_record_id", record_id), ("_row_hash", row_hash)):
            if not _is_text(value) or not HEX_ID.fullmatch(value):
                raise Reject("bad_stamp", f"{name} must be 32 lower-case hex characters")
        if not _is_text(order) or not ORDER.fullmatch(order):
            raise Reject("bad_stamp", "_order must be 1 to 128 letters, digits and slashes")
        if deleted not in (None, "true", "false") or isinstance(deleted, Number):
            raise Reject("bad_stamp", "_deleted must be true or false, as a text")
        if own_source is None:
            own_source = source.url
        elif not _is_text(own_source) or not _fits(own_source, MAX_SOURCE_BYTES):
            raise Reject("bad_stamp", f"_source must be a text of at most {MAX_SOURCE_BYTES} bytes")
        if self.key and not is_broken and self._record_id(texts) != record_id:
            raise Reject("bad_stamp", "_record_id is not the hash of the primary key")
        return record_id, row_hash, order, own_source, deleted == "true"

    def _own_stamps(self, texts, position, source):
        order = f"{source.modified_ms:013}/{source.object_id}/{position:020}"
        return self._record_id(texts), row_hash(self.hashed, texts), order, source.url, False

    def _values(self, texts, stamps):
        values = []
        for i in self.in_files:
            keep, own = KEPT.get(self.columns[i].kind), texts[i]
            values.append(own if keep is None or own is None else keep(own))
        folder = folder_of(self.folders, tuple(texts[i] for i in self.partitions))
        return (folder, *values, *(stamps if self.has_stamps and stamps else ()))


def _told(fault, name):
    return violation(fault.rule, fault.reason, name or fault.column)


def _is_text(value):
    return isinstance(value, str) and not isinstance(value, Number)


def _fits(text, max_bytes):
    try:
        return len(text.encode()) <= max_bytes and "\0" not in text
    except UnicodeEncodeError:
        return False


def row_hash(hashed, texts):
    """BLAKE3 over the columns that are not NULL, as `crates/core/src/ident/row_hash.rs` tells it."""
    # Spark's Python has it only where the job asks for it; stamped rows bring their hash along.
    from blake3 import blake3

    short = len({blake3(name).digest()[:3] for name, _ in hashed}) == len(hashed)
    present = [(name, texts[i].encode()) for name, i in hashed if texts[i] is not None]
    heads = [blake3(name).digest()[: 3 if short else 8] + _leb128(len(text)) for name, text in present]
    joined = _leb128(len(present)) + b"".join(heads) + b"".join(text for _, text in present)
    return blake3(joined + bytes(-len(joined) % BLAKE3_BLOCK)).hexdigest()[:32]


def _leb128(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def read_lines(rows, sources, starts, lines):
    """Of each record its source's id, and its row, or its place, the rules that it breaks and what is written of it.

    `sources` are a source's id, itself, and the subject of its rejects, `starts` the place and the number of the first
    line, by what is told of a part.
    """
    part, at, number = None, 0, 0
    for path, block, value in lines:
        if part != (path, block):
            part = (path, block)
            at, number = starts[part]
        place, at = at, at + len(value) + 1
        number += 1
        record = bytes(value).lstrip(BLANK_BYTES)
        if not record:
            continue
        own, source, subject = sources[path]
        place += len(value) - len(record)
        row, broken = rows.read(record.rstrip(BLANK_BYTES), place, source)
        if broken:
            # Of a longer one no function knows more.
            record = record[:MAX_RECORD_BYTES].rstrip(BLANK_BYTES)
            rules = [each["rule"] for each in broken]
            yield own, None, (place, rules, subject.line(broken, place, number - 1, record))
        else:
            yield own, row, None


def counted(records):
    """What the records of a part came to, by their source's id."""
    found = {}
    for own, row, reject in records:
        tally = found.setdefault(own, Tally())
        if reject is None:
            tally.rows_by_folder[row[0]] += 1
            continue
        tally.rejected += 1
        tally.unstamped += "bad_stamp" in reject[1]
        tally.rules.update(reject[1])
    yield found


def quarantined(records):
    """The rejects among the records, with the section of their source that they are of."""
    for own, _, reject in records:
        if reject is not None:
            yield own, reject[0] // SECTION_BYTES, reject[0], reject[2]
