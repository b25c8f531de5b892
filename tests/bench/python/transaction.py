# One transaction: checked and derived from parsed JSON by hand, stamped, written. Knows no Firehose.
import hashlib
import json
import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from blake3 import blake3

CURRENCIES = frozenset(["EUR", "USD", "GBP", "CHF", "SEK", "NOK", "DKK", "PLN", "CZK", "JPY"])
STATUSES = frozenset(["pending", "booked", "refunded", "cancelled"])
CENT = Decimal("0.01")
# What numeric(18,2) holds before its point.
AMOUNT_LIMIT = Decimal(10) ** 16
ESCAPED = {code: f"%{code:02X}" for code in [*range(32), *b"\"#%'*/:=?\\{[]^\x7f"]}
# What stands for a source column's name in the row hash, and for the expressions of the derived columns.
SOURCES = ["account_id", "amount", "booked_at", "channel", "currency", "merchant", "note", "status", "transaction_id"]
NAME_TAGS = [(name, blake3(name.encode()).digest()[:3]) for name in SOURCES]
EXPRESSIONS = [
    ("amount_minor", "bigint", "minor(amount, 2)"),
    ("booked_date", "date", "date(booked_at)"),
    ("is_refund", "boolean", "status == 'refunded' || amount.startsWith('-')"),
]
NETSTRS = "".join(f"{len(text)}:{text}" for derived in EXPRESSIONS for text in derived)
DERIVATIONS = blake3(NETSTRS.encode()).digest()[:8]
NUMBERS = [bytes((number,)) for number in range(256)]
AMOUNT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def columns(fields):
    """The columns' canonical values by name, derived ones included; ValueError if a rule is broken."""
    if not isinstance(fields, dict):
        raise ValueError("no object")
    amount = exact(text(fields, "amount", required=True))
    currency = text(fields, "currency", required=True)
    status = text(fields, "status", 16, required=True)
    if currency not in CURRENCIES or status not in STATUSES:
        raise ValueError("not in its list")
    transaction_id = text(fields, "transaction_id", 64, required=True)
    if not transaction_id:
        raise ValueError("empty")
    merchant = fields.get("merchant")
    if merchant is not None and not isinstance(merchant, dict):
        raise ValueError("merchant is no object")
    return derived(
        {
            "transaction_id": transaction_id,
            "account_id": text(fields, "account_id", 34, required=True),
            "amount": amount,
            "currency": currency,
            "booked_at": datetime.fromisoformat(text(fields, "booked_at", required=True)),
            "merchant": merchant,
            "channel": text(fields, "channel", 32),
            "status": status,
            "note": text(fields, "note", 512),
        }
    )


def derived(row):
    """Canonical texts in place of numbers and times, and the derived columns."""
    amount, booked_at = row["amount"], row["booked_at"]
    # A time without an offset is UTC.
    booked_at = booked_at.replace(tzinfo=UTC) if booked_at.tzinfo is None else booked_at.astimezone(UTC)
    row["amount"] = f"{amount:f}"
    row["booked_at"] = booked_at.isoformat(" ", "microseconds").removesuffix(":00")
    row["booked_date"] = row["booked_at"][:10]
    row["amount_minor"] = str(int(amount.scaleb(2)))
    row["is_refund"] = "true" if row["status"] == "refunded" or amount < 0 else "false"
    return row


def text(fields, name, max_bytes=None, required=False):
    value = fields.get(name)
    if value is None:
        if required:
            raise ValueError(f"{name} is missing")
        return None
    if not isinstance(value, str) or "\0" in value:
        raise ValueError(f"{name} is no text")
    if max_bytes is not None and len(value) > max_bytes // 4 and len(value.encode()) > max_bytes:
        raise ValueError(f"{name} is too long")
    return value


def exact(text):
    """With exactly two decimals, and no more than those and sixteen digits before them."""
    if not AMOUNT.fullmatch(text):
        raise ValueError("amount is no number")
    try:
        amount = Decimal(text)
        rounded = amount.quantize(CENT)
    except InvalidOperation as error:
        raise ValueError("amount has too many digits") from error
    if rounded != amount or abs(amount) >= AMOUNT_LIMIT:
        raise ValueError("amount has too many digits")
    # Zero has no sign.
    return rounded if rounded else CENT - CENT


def stamped(row, source, *, arrival_ms, sequence_number, subsequence_number):
    key = row["transaction_id"].encode()
    record_id = hashlib.sha256(b"%d:%s" % (len(key), key)).hexdigest()[:32]
    return {
        **row,
        "_record_id": record_id,
        "_row_hash": row_hash(row),
        "_order": f"{arrival_ms:013}/{sequence_number:0>56}/{subsequence_number:010}{0:010}",
        "_deleted": "false",
        "_source": source,
        "_dataset": "transactions",
        "_contract_version": "1.0.0",
    }


def row_hash(row):
    heads, texts = [], []
    for name, tag in NAME_TAGS:
        value = row[name]
        if value is None:
            continue
        text = value.encode() if isinstance(value, str) else compact(value)
        heads.append(tag + leb128(len(text)))
        texts.append(text)
    told = b"".join([DERIVATIONS, leb128(len(texts)), *heads, *texts])
    return blake3(told + bytes(-len(told) % 64)).hexdigest()[:32]


def leb128(number):
    if number < 0x80:
        return NUMBERS[number]
    return NUMBERS[number & 0x7F | 0x80] + leb128(number >> 7)


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def line(row):
    return compact(row) + b"\n"


def partition_keys(row):
    booked_at = row["booked_at"]
    return {"dataset": "transactions", "dt": booked_at[:10], "booked_at": booked_at.translate(ESCAPED)}
