"""Files of customers for the demo, and what has to be in the warehouse after them, counted from the files alone. Knows
the rules of the contract in plain Python, and nothing of Penstock."""

import csv
import datetime
import gzip
import random
import re
from collections import Counter
from decimal import Decimal, InvalidOperation
from pathlib import Path

COLUMNS = ["customer_id", "name", "email", "country", "birthday", "balance", "updated_at"]
COUNTRIES = ["AT", "CH", "DE", "FR", "NL", "PL"]
EXPORT, UPDATES = "customers.csv.gz", "customers-updates.csv.gz"
EXPORT_ROWS, UPDATE_ROWS = 100_000, 20_000
# Small: the local Firehose takes each record by itself.
CHANGES = "customers-changes.csv.gz"
CHANGE_ROWS = 200
# One in so many is bad, and one in so many tells of a customer whom the file has told of before.
BAD_EACH, AGAIN_EACH = 97, 50


def write(folder: Path) -> list[Path]:
    """Writes the export and the update file; the same ones each time."""
    draw = random.Random(20260301)
    export = [customer(draw, number) for number in range(EXPORT_ROWS)]
    for at in range(AGAIN_EACH, EXPORT_ROWS, AGAIN_EACH):
        # The same customer, sometimes as it was before.
        export[at] = {**customer(draw, 0), "customer_id": export[draw.randrange(at)]["customer_id"]}
    updates = [customer(draw, draw.randrange(EXPORT_ROWS + 3_000)) for _ in range(UPDATE_ROWS)]
    for at, row in enumerate(updates):
        # Most are newer than the export; some come late, and tell of what was.
        row["updated_at"] = moment(draw, 10 if at % 9 else -90)
    for rows in (export, updates):
        for row in rows[BAD_EACH - 1 :: BAD_EACH]:
            spoil(draw, row)
    return [write_rows(folder / EXPORT, export), write_rows(folder / UPDATES, updates)]


def write_changes(folder: Path) -> Path:
    """Writes a small file that comes after the others: customers of theirs and new ones, some twice, some late."""
    draw = random.Random(20260302)
    rows = [customer(draw, draw.choice([draw.randrange(EXPORT_ROWS), 200_000 + n])) for n in range(CHANGE_ROWS)]
    for at, row in enumerate(rows):
        row["updated_at"] = moment(draw, 20 if at % 9 else -90)
    for at in range(10, CHANGE_ROWS, 10):
        # The same line again, or another version of the customer.
        other = rows[at - 7]
        rows[at] = dict(other) if at % 20 else {**other, "balance": "7.50", "updated_at": moment(draw, 21)}
    for row in rows[12::13]:
        spoil(draw, row)
    return write_rows(folder / CHANGES, rows)


def write_rows(path: Path, rows: list[dict[str, str]]) -> Path:
    """Writes a packed file."""
    with gzip.open(path, "wt", encoding="utf-8", newline="", compresslevel=1) as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


def customer(draw: random.Random, number: int) -> dict[str, str]:
    """A row as the CRM exports it."""
    born = datetime.date(1940, 1, 1) + datetime.timedelta(draw.randrange(25_000))
    return {
        "customer_id": f"c-{number:06d}",
        "name": f'{draw.choice(["Ann", "Ben", "Cléo", "Dž"])} "{number}", {draw.choice(["Ltd", "AG"])}',
        "email": f"c{number}@example.com" if number % 3 else "",
        "country": draw.choice(COUNTRIES),
        "birthday": born.isoformat() if number % 5 else "",
        "balance": f"{draw.randrange(-500_000, 500_000) / 100:.2f}",
        "updated_at": moment(draw, 0),
    }


def moment(draw: random.Random, days: int) -> str:
    """Some moment of the day that is so many days from the first of March."""
    day = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC) + datetime.timedelta(days, draw.randrange(86_400))
    return day.strftime("%Y-%m-%dT%H:%M:%SZ")


def spoil(draw: random.Random, row: dict[str, str]) -> None:
    """Breaks one rule."""
    name, value = draw.choice(
        [("name", ""), ("country", "Austria"), ("balance", "12,50"), ("birthday", "31.12.1999"), ("email", "by post")]
    )
    row[name] = value


def is_bad(row: dict[str, str]) -> bool:
    """Whether a row breaks a rule of the contract."""
    try:
        balance = Decimal(row["balance"])
        if row["birthday"]:
            datetime.date.fromisoformat(row["birthday"])
    except (InvalidOperation, ValueError):
        return True
    return (
        not row["customer_id"]
        or not row["name"]
        or not re.fullmatch("[A-Z]{2}", row["country"])
        or balance.as_tuple().exponent < -2
        or bool(row["email"] and "@" not in row["email"])
    )


def latest_of(paths: list[Path]) -> tuple[dict, Counter, Counter]:
    """What has to come of the files in this order: of a customer the latest row, with the number of its file, and among
    equals the one that stands later. And how many rows of each file there are, and how many are bad."""
    latest, read, rejected = {}, Counter(), Counter()
    for number, path in enumerate(paths):
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            for line, row in enumerate(csv.DictReader(file)):
                read[path.name] = line + 1
                if is_bad(row):
                    rejected[path.name] += 1
                    continue
                version = (row["updated_at"], number, line)
                if row["customer_id"] not in latest or latest[row["customer_id"]][0] < version:
                    latest[row["customer_id"]] = (version, row)
    return {own: (number, row) for own, ((_, number, _), row) in latest.items()}, read, rejected


def count(paths: list[Path]) -> dict:
    """The same in totals, by country."""
    latest, read, rejected = latest_of(paths)
    customers, balances, updated = Counter(), Counter(), Counter()
    for number, row in latest.values():
        customers[row["country"]] += 1
        balances[row["country"]] += Decimal(row["balance"])
        updated[row["country"]] += number
    found = [(own, customers[own], str(balances[own]), updated[own]) for own in sorted(customers)]
    return {"read": read, "rejected": rejected.total(), "by_country": found}
