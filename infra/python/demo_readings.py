"""A file of sensor readings and a picture for the demo, and what has to be in the lake after them, counted from the
file alone. Knows the rules of the contract in plain Python, and nothing of Penstock."""

import csv
import datetime
import gzip
import random
import re
import struct
import zlib
from collections import defaultdict
from decimal import Decimal, InvalidOperation
from pathlib import Path

NAME = "2026-01-15-readings.csv.gz"
ROWS = 40_000
COLUMNS = ["sensor_id", "measured_at", "value", "unit", "installed_at", "corrected_at"]
UNITS = ["bar", "degC", "m3/h", "kWh"]
# One in so many is bad.
BAD_EACH = 101
START = datetime.datetime(2026, 1, 14, 12, tzinfo=datetime.UTC)
# What pyarrow has to find: the columns of the contract but the one that is in the path, and the stamps.
SCHEMA = [
    ["sensor_id", "string"],
    ["measured_at", "timestamp[us, tz=UTC]"],
    ["value", "decimal128(20, 6)"],
    ["unit", "string"],
    ["installed_at", "timestamp[us]"],
    ["corrected_at", "timestamp[us, tz=UTC]"],
    ["_record_id", "string"],
    ["_row_hash", "string"],
    ["_order", "string"],
    ["_source", "string"],
    ["_deleted", "bool"],
]


def write(folder: Path, rows: int) -> Path:
    """Writes the file with so many rows; the same one each time."""
    draw, path = random.Random(rows), folder / NAME
    with gzip.open(path, "wt", encoding="utf-8", newline="", compresslevel=1) as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for number in range(rows):
            row = reading(draw, number)
            if number % BAD_EACH == BAD_EACH - 1:
                spoil(draw, row)
            writer.writerow(row)
    return path


def reading(draw: random.Random, number: int) -> dict[str, str]:
    """A row as a plant exports it; each is of its own moment."""
    moment = START + datetime.timedelta(seconds=number * 3, microseconds=draw.randrange(1_000_000))
    value = f"{draw.randrange(-(10**12), 10**12)}.{draw.randrange(10**6):06d}"
    return {
        "sensor_id": f"plant-{draw.randrange(50)}",
        "measured_at": moment.isoformat(timespec="microseconds"),
        "value": value if number % 7 else "",
        "unit": draw.choice(UNITS),
        "installed_at": f"2019-0{draw.randrange(1, 10)}-01T06:30:00" if number % 3 else "",
        "corrected_at": (moment + datetime.timedelta(days=1)).isoformat() if number % 11 == 0 else "",
    }


def spoil(draw: random.Random, row: dict[str, str]) -> None:
    """Breaks one rule."""
    name, value = draw.choice(
        [("sensor_id", "Plant 7"), ("value", "1.2345678"), ("value", "warm"), ("unit", "psi"), ("measured_at", "")]
    )
    row[name] = value


def is_bad(row: dict[str, str]) -> bool:
    """Whether a row breaks a rule of the contract."""
    try:
        datetime.datetime.fromisoformat(row["measured_at"])
        value = Decimal(row["value"] or "0")
    except (InvalidOperation, ValueError):
        return True
    return (
        not re.fullmatch("[a-z]+-[0-9]+", row["sensor_id"])
        or value.as_tuple().exponent < -6
        or row["unit"] not in UNITS
    )


def count(path: Path) -> dict:
    """What has to come of the file: rows and rejects, and of each day its rows, exact sum, first and last moment."""
    rejected, sums, moments = 0, defaultdict(Decimal), defaultdict(list)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if is_bad(row):
                rejected += 1
                continue
            moment = datetime.datetime.fromisoformat(row["measured_at"]).astimezone(datetime.UTC)
            day = moment.date().isoformat()
            sums[day] += Decimal(row["value"] or "0")
            moments[day].append(moment.strftime("%H:%M:%S.%f"))
    days = [[day, len(own), str(sums[day]), min(own), max(own)] for day, own in sorted(moments.items())]
    return {"rows": sum(rows for _, rows, *_ in days), "rejected": rejected, "days": days, "schema": SCHEMA}


def picture() -> bytes:
    """A PNG of 256 by 256 grey points."""
    draw = random.Random(256)
    points = b"".join(b"\0" + draw.randbytes(256) for _ in range(256))
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 256, 256, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(points)),
        (b"IEND", b""),
    ]
    packed = [
        struct.pack(">I", len(own)) + kind + own + struct.pack(">I", zlib.crc32(kind + own)) for kind, own in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)
