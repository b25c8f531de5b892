"""Two files of customers for the demo, and what has to be in the warehouse after them, counted from the files alone.
Knows the rules of the contract in plain Python, and nothing of Penstock."""

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
    paths = [folder / EXPORT, folder / UPDATES]
    for path, rows in zip(paths, (export, updates), strict=True):
        with gzip.open(path, "wt", encoding="utf-8", newline="", compresslevel=1) as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
    return paths


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


def count(paths: list[Path]) -> dict:
    """What has to come of the files in this order: of a customer the latest row, and among equals the one that stands
    later."""
    latest, read, rejected = {}, {}, 0
    for number, path in enumerate(paths):
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            for line, row in enumerate(csv.DictReader(file)):
                read[path.name] = line + 1
                if is_bad(row):
                    rejected += 1
                    continue
                version = (row["updated_at"], number, line)
                if row["customer_id"] not in latest or latest[row["customer_id"]][0] < version:
                    latest[row["customer_id"]] = (version, row)
    customers, balances, updated = Counter(), Counter(), Counter()
    for (_, number, _), row in latest.values():
        customers[row["country"]] += 1
        balances[row["country"]] += Decimal(row["balance"])
        updated[row["country"]] += number
    found = [(own, customers[own], str(balances[own]), updated[own]) for own in sorted(customers)]
    return {"read": read, "rejected": rejected, "by_country": found}
