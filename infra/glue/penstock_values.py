"""One JSON value into the canonical text of its column's type, and that text into what Spark keeps.

The same rules as Penstock's record engine, held to the same vectors (tests/vectors). Knows no rows and no Spark.
"""

import datetime
import decimal
import fractions
import json
import math
import re
import struct

MAX_DEPTH = 128
# Of the integer types, in bits.
INTEGERS = {"smallint": 16, "integer": 32, "bigint": 64}

NUMBER = re.compile(r"([+-]?)(?:([0-9]+)(?:\.([0-9]*))?|\.([0-9]+))(?:[eE]([+-]?[0-9]+))?", re.ASCII)
DATE = r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
TIME = r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?"
OFFSET = r"(Z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
DATES = re.compile(DATE)
TIMES = re.compile(TIME)
TIMESTAMPS = re.compile(DATE + "[T ]" + TIME)
TIMESTAMPTZS = re.compile(DATE + "[T ]" + TIME + OFFSET)
# Blanks outside of strings.
BLANKS = re.compile(r'("(?:[^"\\]|\\.)*")|[ \t\r\n]+')
TRUE = frozenset(("true", "t", "yes", "y", "1"))
FALSE = frozenset(("false", "f", "no", "n", "0"))
MIDNIGHT = datetime.datetime(1, 1, 1)


class Reject(Exception):
    """A value that its column cannot hold: rule and reason, never the value; a column where its finder names one."""

    def __init__(self, rule, reason, column=None):
        super().__init__(rule)
        self.rule = rule
        self.reason = reason
        self.column = column


class Number(str):
    """A JSON number as it was written: a float would lose digits."""

    __slots__ = ()


class Twins(dict):
    """An object in which a key stands twice."""


def _pairs(pairs):
    found = dict(pairs)
    return found if len(found) == len(pairs) else Twins(found)


def _constant(_):
    raise ValueError("not JSON")


DECODER = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=_constant, object_pairs_hook=_pairs)


def _digits(value):
    """Sign, significant digits, and the place of the point: 12.50 is ('', '125', 2)."""
    if not isinstance(value, str):
        raise Reject("wrong_type", "expected a number")
    found = NUMBER.fullmatch(value)
    if not found:
        raise Reject("not_a_number", "the text is not a decimal number")
    sign, whole, fraction, bare, exponent = found.groups()
    whole, fraction = whole or "", fraction or bare or ""
    all_digits = whole + fraction
    significant = all_digits.lstrip("0")
    if not significant:
        return "", "", 0
    point = len(whole) - (len(all_digits) - len(significant)) + _exponent(exponent)
    return ("-" if sign == "-" else ""), significant.rstrip("0"), point


def _exponent(text):
    """One of more than 12 digits is as good as the largest: the number is out of every range."""
    if text is None:
        return 0
    size = int(text.lstrip("+-").lstrip("0")[:13] or 0)
    return -size if text.startswith("-") else size


def _plain(sign, digits, point, scale):
    whole = (digits[: max(point, 0)].ljust(point, "0") if point > 0 else "") or "0"
    fraction = ("0" * max(-point, 0) + digits[max(point, 0) :]).ljust(scale, "0")
    return sign + whole + ("." + fraction if scale else "")


def integer(value, bits):
    """Decimal digits of an integer of so many bits."""
    sign, digits, point = _digits(value)
    if len(digits) > point:
        raise Reject("too_many_digits", "has a fraction")
    text = _plain(sign, digits, point, 0) if point <= 19 else None
    if text is None or not -(1 << (bits - 1)) <= int(text) < 1 << (bits - 1):
        raise Reject("out_of_range", f"does not fit {bits} bits")
    return text


def numeric(value, precision, scale):
    """Exactly so many decimals; nothing is ever rounded."""
    sign, digits, point = _digits(value)
    if digits and (point > precision - scale or len(digits) - point > scale):
        raise Reject("too_many_digits", f"has more digits than numeric({precision},{scale}) holds")
    return _plain(sign, digits, point, scale)


def _shortest(number):
    """As Rust writes it: Python's own but for the exponent."""
    return re.sub(r"e([+-])0*", lambda found: "e" + found[1].strip("+"), repr(number))


def double(value):
    """The shortest text that reads back as the same number."""
    _digits(value)
    number = float(value)
    if math.isinf(number):
        raise Reject("out_of_range", "is beyond what the type holds")
    return _shortest(number) if number else "0.0"


def real(value):
    """The same for 32 bits."""
    double(value)
    try:
        (number,) = struct.unpack("f", struct.pack("f", _toward_odd(value)))
    except OverflowError:
        raise Reject("out_of_range", "is beyond what the type holds") from None
    if not number:
        return "0.0"
    texts = (f"{number:.{digits}e}" for digits in range(9))
    return _shortest(float(next(text for text in texts if struct.pack("f", float(text)) == struct.pack("f", number))))


def _toward_odd(value):
    """A double that rounds to the same 32 bits as the text itself does: rounding twice may end elsewhere."""
    number = float(value)
    if number == 0.0 or struct.pack("d", number)[0] & 1:
        return number
    exact = fractions.Fraction(value)
    if exact == fractions.Fraction(number):
        return number
    return math.nextafter(number, math.inf if exact > fractions.Fraction(number) else -math.inf)


def boolean(value):
    """`true` or `false`; the words that Redshift takes, too."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and not isinstance(value, Number):
        word = value.lower() if value.isascii() else value
        if word in TRUE or word in FALSE:
            return "true" if word in TRUE else "false"
    raise Reject("wrong_type", "expected true or false")


def text(value):
    """A text that a column can hold."""
    if not isinstance(value, str) or isinstance(value, Number):
        raise Reject("wrong_type", "expected a text")
    if "\0" in value:
        raise Reject("nul_character", "holds NUL, which Redshift refuses")
    return value


def varchar(value, limit):
    """The text itself, of at most so many bytes."""
    try:
        size = len(text(value).encode())
    except UnicodeEncodeError:
        raise Reject("invalid_json", "holds half a character") from None
    if size > limit:
        raise Reject("too_long", f"has {size} bytes, the column holds {limit}")
    return value


def char(value, limit):
    """The text without its trailing blanks."""
    if not text(value).isascii():
        raise Reject("not_ascii", "the column takes single-byte characters only")
    return varchar(value.rstrip(" "), limit)


def varbyte(value, limit):
    """Lower-case hex."""
    if not re.fullmatch(r"(?:[0-9a-fA-F]{2})*", text(value), re.ASCII):
        raise Reject("wrong_type", "expected bytes as hex digits")
    if len(value) // 2 > limit:
        raise Reject("too_long", f"has {len(value) // 2} bytes, the column holds {limit}")
    return value.lower()


def _groups(pattern, value, rule, form):
    found = pattern.fullmatch(text(value))
    if not found:
        raise Reject(rule, f"expected {form}, and a day and hour that exist")
    return found.groups()


def _built(build, rule, parts):
    try:
        return build(*map(int, parts))
    except (ValueError, OverflowError):
        raise Reject(rule, "is a day or hour that does not exist") from None


def _micros(fraction):
    if fraction and fraction[6:].strip("0"):
        raise Reject("too_many_digits", "has digits beyond the microsecond")
    return (fraction or "")[:6].ljust(6, "0")


def date(value):
    """`YYYY-MM-DD`."""
    parts = _groups(DATES, value, "invalid_date", "YYYY-MM-DD")
    return _built(datetime.date, "invalid_date", parts).isoformat()


def time(value):
    """`HH:MM:SS.ffffff`."""
    *parts, fraction = _groups(TIMES, value, "invalid_time", "HH:MM:SS")
    return f"{_built(datetime.time, 'invalid_time', parts).isoformat()}.{_micros(fraction)}"


def timestamp(value):
    """`YYYY-MM-DD HH:MM:SS.ffffff`."""
    form = "YYYY-MM-DDTHH:MM:SS without an offset"
    *parts, fraction = _groups(TIMESTAMPS, value, "invalid_timestamp", form)
    return f"{_built(datetime.datetime, 'invalid_timestamp', parts).isoformat(' ')}.{_micros(fraction)}"


def timestamptz(value):
    """The moment in UTC: `YYYY-MM-DD HH:MM:SS.ffffff+00`; without an offset the text is UTC."""
    form = "YYYY-MM-DDTHH:MM:SS with an offset or in UTC"
    *parts, fraction, offset = _groups(TIMESTAMPTZS, value, "invalid_timestamp", form)
    moment = _built(datetime.datetime, "invalid_timestamp", parts)
    if offset and offset != "Z":
        hours, minutes = int(offset[1:3]), int(offset[3:].lstrip(":") or 0)
        if hours > 23 or minutes > 59:
            raise Reject("invalid_timestamp", "is an offset that does not exist")
        ahead = datetime.timedelta(hours=hours, minutes=minutes)
        try:
            moment = moment + ahead if offset[0] == "-" else moment - ahead
        except OverflowError:
            raise Reject("invalid_timestamp", "lies beyond the years 1 to 9999 in UTC") from None
    return f"{moment.isoformat(' ')}.{_micros(fraction)}+00"


def nested(value, raw):
    """JSON text without insignificant white space and otherwise as it was written."""
    try:
        _strict(value, 0)
    except UnicodeEncodeError:
        raise Reject("invalid_json", "a nested text holds half a character") from None
    blank = any(mark in raw for mark in " \t\r\n")
    return BLANKS.sub(lambda found: found[1] or "", raw) if blank else raw


def _strict(value, depth):
    """Refuses what Redshift's JSON_PARSE would refuse or blur."""
    if isinstance(value, Number):
        if math.isinf(float(value)):
            raise Reject("invalid_json", "a nested number is out of range")
    elif isinstance(value, str):
        value.encode()
        if "\0" in value:
            raise Reject("nul_character", "a nested text holds NUL")
    elif isinstance(value, (dict, list)):
        if depth >= MAX_DEPTH:
            raise Reject("invalid_json", "is nested too deep")
        if isinstance(value, Twins):
            raise Reject("duplicate_key", "a nested key stands twice in its object")
        members = [*value, *value.values()] if isinstance(value, dict) else value
        for member in members:
            _strict(member, depth + 1)


def canonical(kind, sizes, value, raw):
    """The canonical text of a value that is not NULL; `raw` is how it was written."""
    if kind == "super":
        return nested(value, raw)
    if kind in INTEGERS:
        return integer(value, INTEGERS[kind])
    return TEXTS[kind](value, *sizes)


TEXTS = {
    "numeric": numeric,
    "real": real,
    "double precision": double,
    "boolean": boolean,
    "varchar": varchar,
    "char": char,
    "date": date,
    "time": time,
    "timestamp": timestamp,
    "timestamptz": timestamptz,
    "varbyte": varbyte,
}


def _time_micros(own):
    return (datetime.datetime.fromisoformat(f"0001-01-01 {own}") - MIDNIGHT) // datetime.timedelta(microseconds=1)


# What Spark keeps of a canonical text; every other type keeps the text.
KEPT = {
    "smallint": int,
    "integer": int,
    "bigint": int,
    "numeric": decimal.Decimal,
    "real": float,
    "double precision": float,
    "boolean": lambda own: own == "true",
    "date": datetime.date.fromisoformat,
    "time": _time_micros,
    "timestamp": datetime.datetime.fromisoformat,
    "timestamptz": datetime.datetime.fromisoformat,
    "varbyte": lambda own: bytearray.fromhex(own),
}
