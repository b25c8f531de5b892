"""Count the records of tests/samples, and say which of them should be rejected, with Python's csv and json alone.

The rules of the contracts beside the samples are stated here a second time, in plain Python: nothing is read from a
contract. Prints a JSON object per file name: {"read", "accepted", "broken", "rejected": [[line, column or null,
rule], ...]}, the rejects in the file's order. tests/tests/messy_files.rs holds `penstock try` to it.

Where Penstock reads otherwise than Python's csv and json do, and means to:

- csv tells neither a quoted empty field nor a quoted null text from an unquoted one; Penstock does, as an unquoted one
  alone is NULL. `marked` keeps the quotes visible.
- csv in strict mode gives up the rest of the file at a quote that is never closed; Penstock rejects the line that opens
  it and reads on behind it. A line of blanks is one field to both, and no blank line.
- json takes NaN, lone surrogates, NUL and keys that stand twice; Penstock refuses them.
- json reads numbers as floats and takes 1.0 for no integer; Penstock keeps every digit, and 1.0 is a whole number.
- a line that does not begin with a brace is `not_an_object` whatever else is wrong with it.
- an array that is never closed is `truncated`; what came before stays valid.
"""

import csv
import gzip
import json
import re
import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).parent.parent / "samples"
QUOTED = "\ue000"  # stands before a field that was quoted and would mean NULL if it had not been
WORDS = {"true": True, "t": True, "yes": True, "y": True, "1": True}
WORDS |= {"false": False, "f": False, "no": False, "n": False, "0": False}
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
TIME = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d(?::?\d\d)?)?", re.ASCII)
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
EPOCH = datetime(1970, 1, 1)


class Broken(Exception):
    """The rule that a value or a record breaks."""


class Digits(Decimal):
    """A number of JSON, as opposed to a text that holds one."""


def text(
    most_bytes: int, least: int = 0, pattern: str = "", ascii_only: bool = False, values: tuple = (), most: int = 0
):
    def check(value: Any) -> list[str]:
        if not isinstance(value, str):
            return ["wrong_type"]
        if "\0" in value:
            return ["nul_character"]
        if ascii_only:
            if not value.isascii():
                return ["not_ascii"]
            value = value.rstrip(" ")
        if len(value.encode()) > most_bytes:
            return ["too_long"]
        rules = []
        if len(value) < least:
            rules.append("too_short")
        if pattern and not re.search(pattern, value):
            rules.append("pattern")
        if values and value not in values:
            rules.append("valid_values")
        return rules

    return check


def uuid(value: Any) -> list[str]:
    return text(36)(value) or ([] if UUID.fullmatch(value) else ["format"])


def decimal(value: Any) -> Decimal:
    if isinstance(value, Digits):
        return value
    if isinstance(value, bool) or not isinstance(value, str):
        raise Broken("wrong_type")
    if not NUMBER.fullmatch(value):
        raise Broken("not_a_number")
    return Decimal(value)


def within(number: Decimal, least: str | None, most: str | None) -> list[str]:
    rules = ["minimum"] if least is not None and number < Decimal(least) else []
    return rules + (["maximum"] if most is not None and number > Decimal(most) else [])


def integer(bits: int, least: str | None = None, most: str | None = None):
    def check(value: Any) -> list[str]:
        number = decimal(value)
        if number != number.to_integral_value():
            return ["too_many_digits"]
        if not -(2 ** (bits - 1)) <= number < 2 ** (bits - 1):
            return ["out_of_range"]
        return within(number, least, most)

    return check


def numeric(precision: int, scale: int, least: str | None = None, most: str | None = None):
    def check(value: Any) -> list[str]:
        number = decimal(value)
        shifted = number.scaleb(scale)
        if shifted != shifted.to_integral_value() or abs(number) >= 10 ** (precision - scale):
            return ["too_many_digits"]
        return within(number, least, most)

    return check


def double(value: Any) -> list[str]:
    return ["out_of_range"] if abs(float(decimal(value))) == float("inf") else []


def boolean(value: Any) -> list[str]:
    is_one = isinstance(value, bool) or (isinstance(value, str) and value.lower() in WORDS)
    return [] if is_one else ["wrong_type"]


def day(value: Any) -> list[str]:
    try:
        date.fromisoformat(value if DAY.fullmatch(value) else "")
    except ValueError:
        return ["invalid_date"]
    return []


def british_day(value: Any) -> list[str]:
    found = re.fullmatch(r"(\d\d)/(\d\d)/(\d{4})", value, re.ASCII)
    try:
        own = date(*(int(part) for part in reversed(found.groups()))) if found else None
    except ValueError:
        own = None
    if own is None:
        return ["invalid_date"]
    return ["minimum"] if own < date(2020, 1, 1) else []


def timestamp(zone_allowed: bool):
    def check(value: Any) -> list[str]:
        if not isinstance(value, str):
            return ["wrong_type"]
        found = TIME.fullmatch(value)
        try:
            datetime.fromisoformat(found[1]) if found else None
        except ValueError:
            found = None
        if not found or (found[3] and not zone_allowed):
            return ["invalid_timestamp"]
        return ["too_many_digits"] if found[2] and found[2][7:].strip("0") else []

    return check


def epoch_millis(value: Any) -> list[str]:
    if not isinstance(value, (str, Digits)):
        return ["wrong_type"]
    if not NUMBER.fullmatch(str(value)):
        return ["invalid_timestamp"]
    micros = Decimal(value) * 1000
    if micros != micros.to_integral_value():
        return ["too_many_digits"]
    try:
        EPOCH + timedelta(microseconds=int(micros))
    except OverflowError:
        return ["invalid_timestamp"]
    return []


def nested_object(value: Any) -> list[str]:
    return [] if isinstance(value, dict) else ["wrong_type"]


ORDERS = {
    "order_id": (True, integer(64)),
    "customer": (True, text(40, least=1)),
    "ordered_on": (True, british_day),
    "amount": (True, numeric(12, 2, least="0")),
    "quantity": (False, integer(32, "1", "1000")),
    "paid": (False, boolean),
    "note": (False, text(60)),
}
STOCK = {
    "sku": (True, text(8, pattern=r"\A[A-Z]{2}-[0-9]{4}\Z", ascii_only=True)),
    "name": (False, text(20)),
    "on_hand": (True, integer(16)),
    "counted_at": (False, timestamp(zone_allowed=False)),
}
METERS = {
    "meter": (True, text(12)),
    "read_on": (True, day),
    "kwh": (False, double),
    "state": (False, text(8, values=("ok", "estimate"))),
}
EVENTS = {
    "id": (True, uuid),
    "at": (True, epoch_millis),
    "level": (False, text(5, values=("info", "warn", "error"))),
    "count": (False, integer(64)),
    "ratio": (False, numeric(5, 4, "0", "1")),
    "message": (False, text(80)),
    "labels": (False, nested_object),
}
DEVICES = {
    "device": (True, text(16)),
    "seen_at": (True, timestamp(zone_allowed=True)),
    "battery": (False, integer(16, "0", "100")),
    "place": (False, nested_object),
    "firmware": (False, text(20, pattern=r"\A[0-9]+(\.[0-9]+)*\Z")),
}


def broken_rules(record: dict[str, Any], columns: dict) -> list[tuple[str, str]]:
    """Column and rule of everything that is wrong with the record's values."""
    found = []
    for name, (required, check) in columns.items():
        value = record.get(name)
        if value is None:
            rules = ["required"] if required else []
        else:
            try:
                rules = check(value)
            except Broken as broken:
                rules = [str(broken)]
        found += [(name, rule) for rule in rules]
    return found


# CSV


def marked(line: str, delimiter: str, nulls: tuple[str, ...]) -> str:
    """The line with a mark in each quoted field that would be NULL without its quotes."""
    words = "|".join(re.escape(word) for word in ("", *nulls))
    around = re.escape(delimiter)
    return re.sub(rf'(^|(?<={around}))"({words})"(?=$|{around}|[\r\n])', rf'"{QUOTED}\2"', line)


def csv_records(lines: list[str], delimiter: str, nulls: tuple[str, ...]) -> Iterator[tuple[int, list | Broken]]:
    """The line that each record begins in, and its fields: None for NULL."""
    start = 0
    while start < len(lines):
        reader = csv.reader(
            (marked(line, delimiter, nulls) for line in lines[start:]), delimiter=delimiter, strict=True
        )
        try:
            first = 1
            for fields in reader:
                if fields:
                    values = [None if own in ("", *nulls) else own.removeprefix(QUOTED) for own in fields]
                    yield start + first, values
                first = reader.line_num + 1
            return
        except csv.Error as error:
            yield start + first, Broken("invalid_csv")
            # A quote without end: its line alone is lost. Text behind a quote: all lines of the record.
            start += first if "end of data" in str(error) else reader.line_num


def count_csv(path: Path, columns: dict, delimiter: str, header: bool = True, nulls: tuple = (), extra: bool = True):
    lines = path.read_bytes().decode("utf-8-sig").splitlines(keepends=True)
    records = csv_records(lines, delimiter, nulls)
    names = next(records)[1] if header else list(columns)
    for line, fields in records:
        if isinstance(fields, Broken):
            yield line, [(None, str(fields))]
        elif len(fields) != len(names):
            yield line, [(None, "field_count")]
        else:
            refused = [] if extra else [(name, "extra_column") for name in names if name not in columns]
            yield line, refused + broken_rules(dict(zip(names, fields, strict=True)), columns)


# JSON


def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen = dict(pairs)
    for name, _ in pairs:
        if sum(name == other for other, _ in pairs) > 1:
            raise Broken("duplicate_key", name)
    return seen


def refused(constant: str) -> None:
    raise ValueError(constant)


DECODER = json.JSONDecoder(
    object_pairs_hook=members, parse_constant=refused, parse_float=Digits, parse_int=Digits, strict=True
)


def check_json(record: Any, columns: dict) -> list[tuple[str | None, str]]:
    if not isinstance(record, dict):
        return [(None, "not_an_object")]
    for name, value in record.items():
        try:
            json.dumps(value, ensure_ascii=False, default=str).encode()
        except UnicodeEncodeError:
            return [(name, "invalid_json")]
    return broken_rules(record, columns)


def check_line(line: bytes, columns: dict) -> list[tuple[str | None, str]]:
    try:
        own = line.decode()
        return check_json(DECODER.decode(own), columns) if own.startswith("{") else [(None, "not_an_object")]
    except UnicodeDecodeError:
        return [(None, "not_utf8")]
    except ValueError:
        return [(None, "invalid_json")]
    except Broken as broken:
        # A key that stands twice in a nested value is told of the column that holds it.
        rule, key = broken.args
        holders = [name for name in columns if re.search(rf'"{name}":{{', own) and key not in columns]
        return [((holders or [key])[0], rule)]


def count_lines(content: bytes, columns: dict):
    for number, line in enumerate(content.split(b"\n"), 1):
        if line.strip():
            yield number, check_line(line.strip(), columns)


def count_values(content: str, columns: dict):
    """Values one after another, or in an array. The samples hold no malformed ones."""
    at = 0
    while (at := at + len(content[at:]) - len(content[at:].lstrip(" \r\n\t,["))) < len(content):
        if content[at] == "]":
            return
        record, end = DECODER.raw_decode(content, at)
        yield content.count("\n", 0, at) + 1, check_json(record, columns)
        at = end
    if content.startswith("["):
        raise Broken("truncated")


def records_of(path: Path):
    content = path.read_bytes()
    match path.name:
        case "orders.csv":
            return count_csv(path, ORDERS, ",", nulls=("NULL", "N/A"))
        case "stock.tsv" | "stock_extra.tsv":
            return count_csv(path, STOCK, "\t", extra=False)
        case "meters.csv":
            return count_csv(path, METERS, ";", header=False, nulls=("-",))
        case "events.ndjson":
            return count_lines(content, EVENTS)
        case "events.ndjson.gz":
            return count_lines(gzip.decompress(content), EVENTS)
        case "devices.json" | "devices_concatenated.json" | "devices_cut.json":
            return count_values(content.decode(), DEVICES)
    raise SystemExit(f"{path.name}: nothing here says what it holds")


def count(path: Path) -> dict[str, Any]:
    read, accepted, broken, rejected = 0, 0, None, []
    try:
        for line, rules in records_of(path):
            read += 1
            accepted += not rules
            rejected += [[line, column, rule] for column, rule in rules]
    except Broken as own:
        broken = str(own)
    return {"read": read, "accepted": accepted, "broken": broken, "rejected": rejected}


def main() -> None:
    paths = [Path(name) for name in sys.argv[1:]] or sorted(SAMPLES.iterdir())
    counted = {path.name: count(path) for path in paths if not path.name.endswith(".odcs.yaml")}
    json.dump(counted, sys.stdout, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()
