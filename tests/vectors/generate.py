#!/usr/bin/env python3
# Computes identity.json, the test vectors of Penstock's identities, from README.md's rules and not from the Rust code.
"""Usage: generate.py [--check]     writes identity.json beside this file; --check compares instead (exit 1: differs)

Python 3.11's standard library, and `pip install blake3==1.0.11` for the row hashes. The same output every time.
"""

import base64
import datetime
import hashlib
import json
import pathlib
import re
import sys

from blake3 import blake3

TARGET = pathlib.Path(__file__).with_name("identity.json")


# ---- canonical texts ------------------------------------------------------------------------------------------------


class Reject(Exception):
    """The value has no canonical text in its type; the argument is the reject's name."""


class Number(str):
    """A JSON number as it was written: a float would lose digits."""


def parse(json_text):
    return json.loads(json_text, parse_int=Number, parse_float=Number)


NUMBER = re.compile(r"([+-]?)(?:([0-9]+)(?:\.([0-9]+))?|\.([0-9]+))(?:[eE]([+-]?[0-9]+))?")
INTEGERS = {"smallint": 16, "integer": 32, "bigint": 64}


def digits_of(value):
    """Sign, significant digits and the place of the point before or after them: 12.50 is ('', '125', 2)."""
    if not isinstance(value, str):
        raise Reject("wrong_type")
    found = NUMBER.fullmatch(value)
    if not found:
        raise Reject("not_a_number")
    sign, whole, fraction, bare_fraction, exponent = found.groups()
    whole, fraction = whole or "", fraction or bare_fraction or ""
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    return ("-" if sign == "-" and digits else ""), digits, (point if digits else 0)


def plain(sign, digits, point, scale):
    whole = (digits[: max(point, 0)].ljust(point, "0") if point > 0 else "") or "0"
    fraction = ("0" * max(-point, 0) + digits[max(point, 0) :]).ljust(scale, "0")
    return sign + whole + ("." + fraction if scale else "")


def integer(value, bits):
    sign, digits, point = digits_of(value)
    if len(digits) > point:
        raise Reject("too_many_digits")
    if point > 19:
        raise Reject("out_of_range")
    text = plain(sign, digits, point, 0)
    if not -(1 << (bits - 1)) <= int(text) < 1 << (bits - 1):
        raise Reject("out_of_range")
    return text


def numeric(value, precision, scale):
    sign, digits, point = digits_of(value)
    if len(digits) - point > scale or point > precision - scale:
        raise Reject("too_many_digits")
    return plain(sign, digits, point, scale)


def varchar(value, limit):
    if isinstance(value, Number) or not isinstance(value, str):
        raise Reject("wrong_type")
    if "\0" in value:
        raise Reject("nul_character")
    if len(value.encode()) > limit:
        raise Reject("too_long")
    return value


def char(value, limit):
    text = varchar(value, sys.maxsize)
    if not text.isascii():
        raise Reject("not_ascii")
    return varchar(text.rstrip(" "), limit)


DATE = r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
TIME = r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?"
OFFSET = r"(Z|[+-][0-9]{2}(?::?[0-9]{2})?)"


def matched(pattern, value, fault):
    if isinstance(value, Number) or not isinstance(value, str):
        raise Reject("wrong_type")
    found = re.fullmatch(pattern, value)
    if not found:
        raise Reject(fault)
    return found.groups()


def checked(build, fault, *numbers):
    try:
        return build(*map(int, numbers))
    except (ValueError, OverflowError):
        raise Reject(fault) from None


def micros(fraction):
    fraction = fraction or ""
    if fraction[6:].strip("0"):
        raise Reject("too_many_digits")
    return fraction[:6].ljust(6, "0")


def date(value):
    return checked(datetime.date, "invalid_date", *matched(DATE, value, "invalid_date")).isoformat()


def time(value):
    hour, minute, second, fraction = matched(TIME, value, "invalid_time")
    checked(datetime.time, "invalid_time", hour, minute, second)
    return f"{hour}:{minute}:{second}.{micros(fraction)}"


def timestamp(value):
    *parts, fraction = matched(DATE + "[T ]" + TIME, value, "invalid_timestamp")
    moment = checked(datetime.datetime, "invalid_timestamp", *parts)
    return f"{moment.isoformat(' ')}.{micros(fraction)}"


def timestamptz(value):
    *parts, fraction, offset = matched(DATE + "[T ]" + TIME + OFFSET, value, "invalid_timestamp")
    moment = checked(datetime.datetime, "invalid_timestamp", *parts)
    if offset != "Z":
        hours, minutes = int(offset[1:3]), int(offset[3:].lstrip(":") or 0)
        if hours > 23 or minutes > 59:
            raise Reject("invalid_timestamp")
        ahead = datetime.timedelta(hours=hours, minutes=minutes)
        try:
            moment = moment + ahead if offset[0] == "-" else moment - ahead
        except OverflowError:
            raise Reject("invalid_timestamp") from None
    return f"{moment.isoformat(' ')}.{micros(fraction)}+00"


def boolean(value):
    if not isinstance(value, bool):
        raise Reject("wrong_type")
    return "true" if value else "false"


def minified(json_text):
    """The JSON text less the white space outside of its strings."""
    parse(json_text)
    return re.sub(r'("(?:[^"\\]|\\.)*")|[ \t\r\n]+', lambda found: found[1] or "", json_text)


def canonical(kind, json_text):
    name, *numbers = re.findall(r"[a-z]+|[0-9]+", kind)
    if name == "super":
        return minified(json_text)
    value = parse(json_text)
    if name in INTEGERS:
        return integer(value, INTEGERS[name])
    kinds = {
        "numeric": numeric,
        "varchar": varchar,
        "char": char,
        "date": date,
        "time": time,
        "timestamp": timestamp,
        "timestamptz": timestamptz,
        "boolean": boolean,
    }
    return kinds[name](value, *map(int, numbers))


# ---- identities -----------------------------------------------------------------------------------------------------


def netstr(text):
    return f"{len(text.encode())}:{text}"


def netstrs(*texts):
    return "".join(map(netstr, texts))


def sha_id(encoding):
    return hashlib.sha256(encoding.encode()).hexdigest()[:32]


ALGORITHMS = ("CRC64NVME", "SHA256", "SHA1", "CRC32C", "CRC32")


def object_encoding(bucket, key, checksums, checksum_type, etag, size):
    for algorithm in ALGORITHMS if checksum_type == "FULL_OBJECT" else ():
        if algorithm in checksums:
            return netstrs(bucket, key, algorithm, checksums[algorithm])
    return netstrs(bucket, key, "ETAG", etag.strip('"'), str(size))


def leb128(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def row_encoding(columns):
    """How many columns are not NULL; for each, by name, a tag of the name and its text's length; then all texts, and
    zeros up to whole blocks of BLAKE3."""
    present = sorted((name.encode(), text.encode()) for name, text in columns.items() if text is not None)
    heads = [blake3(name).digest()[:3] + leb128(len(text)) for name, text in present]
    told = leb128(len(present)) + b"".join(heads) + b"".join(text for _, text in present)
    return told + bytes(-len(told) % 64)


def group_encoding(texts):
    return "".join("-:" if text is None else netstr(text) for text in texts)


# ---- the cases ------------------------------------------------------------------------------------------------------


def canonical_entry(kind, json_text):
    try:
        return {"type": kind, "input": json_text, "canonical": canonical(kind, json_text)}
    except Reject as reject:
        return {"type": kind, "input": json_text, "reject": str(reject)}


CANONICAL = {
    "smallint": ["0", "-0", "32767", "-32768", "32768", "-32769", '"007"', '"-0"', "1e4", "1e5", "true"],
    "integer": [
        *["2147483647", "-2147483648", "2147483648", "-2147483649", "1.0", "1.5", "1e2", "1500e-2", "15e-1", "-0.0"],
        *['"+42"', '"-000042"', '""', '"4 2"', '"0x10"', '"1,000"', '"twelve"', "[1]", '{"value":1}', "1e400", "0e400"],
    ],
    "bigint": [
        *["9007199254740993", "9007199254740993.0", "9.007199254740993e15", "-9007199254740993"],
        *["9223372036854775807", "-9223372036854775808", "9223372036854775808", "-9223372036854775809"],
        *["9223372036854775807.5", "1e18", "1e19", '"0009223372036854775807"', '"9007199254740993"', "1e-400", '"١٢"'],
    ],
    "numeric(18,2)": [
        *["1e2", "1.50", "-0", "-0.00", "0", "0.5", "-0.5", "12", "1.005", "1.0050", "1.000", "1E+2", "1e-2", "1e-3"],
        *["9999999999999999.99", "-9999999999999999.99", "10000000000000000", "1e400", "-1e400", "0e400", "1e-400"],
        *['"1.50"', '"1e2"', '"-0"', '"0001.5"', '"+1.5"', '".5"', '"-.5"', '""', '"NaN"', '"Infinity"', '"1.2.3"'],
        *['"12abc"', "false", "[]", "123456789012.34", "0.07", "100e-4", "1.10e1"],
    ],
    "numeric(38,0)": [
        *["9" * 38, "-" + "9" * 38, "1" + "0" * 38, "1e37", "1e38", "1.5", "1.0", "-0", "0.0", '"00' + "9" * 38 + '"'],
        *["9007199254740993", "12345678901234567890123456789012345678", "1e400", "1e999999999999999999", "1e-1"],
    ],
    "numeric(38,37)": [
        *["9." + "9" * 37, "-9." + "9" * 37, "10", "0." + "0" * 36 + "1", "0." + "0" * 37 + "1", "1e-37", "1e-38", "1"],
        *["-0", "3.1415926535897932384626433832795028841", "1e400"],
    ],
    "numeric(2,2)": ["0.99", "-0.99", "1", "0.999", "0", "1e-2", '".99"'],
    "boolean": ["true", "false", "1", "0", "[]"],
    "varchar(20)": [
        *['""', '"abc"', '" leading and trail "', '"007"', '"-0"', '"1e2"', '"null"', '"caf\\u00e9"', '"cafe\\u0301"'],
        *['"\\ud83d\\ude00"', '"a\\"b\\\\c"', '"a\\nb\\tc"', '"3:abc"', '"100%"', '"a+b c"', '"O\'Brien"', '"Grüße, 世界"'],
        *['"a\\u0000b"', '"123456789012345678901"', '"äöüäöüäöüä"', '"äöüäöüäöüäö"', '"\\u2028"', "5", "[null]"],
        '{"a":1}',
    ],
    "varchar(4)": ['"äö"', '"äöü"', '"\\ud83d\\ude00"', '"\\ud83d\\ude00x"', '"abcd"', '"abcde"'],
    "char(5)": [
        *['"ab"', '"ab   "', '"     "', '""', '"  ab "', '"ab\\t"', '"abcde"', '"abcde   "', '"abcdef"', '"é"', '"a\\u0000"'],
        *["12", "true"],
    ],
    "date": [
        *['"2026-01-02"', '"2024-02-29"', '"2023-02-29"', '"2000-02-29"', '"1900-02-29"', '"0001-01-01"', '"9999-12-31"'],
        *['"0000-01-01"', '"10000-01-01"', '"2026-13-01"', '"2026-00-10"', '"2026-04-31"', '"2026-1-2"', '"20260102"'],
        *['"02.01.2026"', '"2026-01-02T00:00:00Z"', '""', '" 2026-01-02"', "20260102", "[2026,1,2]"],
    ],
    "time": [
        *['"00:00:00"', '"23:59:59"', '"23:59:59.999999"', '"12:34:56.7"', '"12:34:56.123456000"', '"12:34:56.1234567"'],
        *['"12:34:56.000000001"', '"24:00:00"', '"23:59:60"', '"12:60:00"', '"12:34"', '"1:02:03"', '"12:34:56,5"'],
        *['"12:34:56.1234560000"', '"T12:34:56"', '"12:34:56Z"', '""', "123456"],
    ],
    "timestamp": [
        *['"2026-01-02T03:04:05"', '"2026-01-02 03:04:05"', '"2026-01-02T03:04:05.1"', '"2026-01-02T03:04:05.123456"'],
        *['"2026-01-02T03:04:05.123456000"', '"2026-01-02T03:04:05.1234561"', '"0001-01-01T00:00:00"'],
        *['"9999-12-31T23:59:59.999999"', '"2026-01-02T24:00:00"', '"2026-12-31T23:59:60"', '"2026-01-02T03:04"'],
        *['"2026-01-02"', '"2026-01-02  03:04:05"', '"2026-01-02t03:04:05"', '"2026-02-30T00:00:00"', '""', "1767322800000"],
        *['"0000-12-31T23:59:59"', '"2026-01-02_03:04:05"'],
    ],
    "timestamptz": [
        *['"2026-01-02T03:04:05Z"', '"2026-01-02T03:04:05+02:00"', '"2026-01-02 03:04:05+0200"', '"2026-01-02T03:04:05+02"'],
        *['"2026-01-01T00:30:00+01:00"', '"2025-12-31T23:30:00-01:00"', '"2025-12-31T18:45:00.25-05:30"'],
        *['"2026-01-01T00:00:00+14:00"', '"2025-12-31T23:59:59.999999-12:00"', '"2024-02-29T23:30:00-0045"'],
        *['"2026-03-29T02:30:00+01:00"', '"2026-01-02T03:04:05+05:45"', '"2026-01-02T03:04:05.000000000Z"'],
        *['"2026-01-02T03:04:05.0000001Z"', '"0001-01-01T00:00:00Z"', '"0001-01-01T00:00:00+00:01"'],
        *['"9999-12-31T23:59:59.999999Z"', '"9999-12-31T23:59:59-00:01"', '"0001-01-01T00:00:00-05:00"'],
        *['"2026-01-02T03:04:05+24:00"', '"2026-01-02T03:04:05+02:60"', '"2026-01-02T03:04:05+2"', '"2026-01-02T03:04Z"'],
        *['"2026-06-30T23:59:60Z"', '"2026-01-02T03:04:05 Z"', '"2026-01-02T03:04:05z"', '"2026-01-02T03:04:05 UTC"'],
        *['"2026-01-02T03:04:05+02:00:00"', '"yesterday"', "1767322800", "[null]"],
    ],
    "super": [
        *['{ "b" : 1.0 , "a" : [ 1 , 2 ] }', '{"b":1.0,"a":[1,2]}', '[ ]', '{\n\t"t" : "x \\" y  z" ,\r\n "u":"\\u00e9"\n}'],
        *["1e2", "9007199254740993", '"a  b"', "[-0, 1.50, 1E+2]", '{"a":null,"b":true}', '"back\\\\"', '{"":"" , "k\\\\\\"" : [ ] }'],
        '{"Grüße": "世 界"}',
    ],
}

KEYS = [
    (["varchar(20)"], ['""']),
    (["varchar(20)"], ['"a"']),
    (["varchar(20)"], ['"A"']),
    (["varchar(20)"], ['"a "']),
    (["char(5)"], ['"a "']),
    (["varchar(20)"], ['"1"']),
    (["bigint"], ["1"]),
    (["bigint"], ['"001"']),
    (["numeric(18,2)"], ["1"]),
    (["bigint"], ["9007199254740993"]),
    (["bigint"], ["9007199254740992"]),
    (["bigint"], ["-9223372036854775808"]),
    (["numeric(38,0)"], ["9" * 38]),
    (["numeric(38,37)"], ["-9." + "9" * 37]),
    (["numeric(18,2)"], ["-0"]),
    (["boolean"], ["true"]),
    (["varchar(20)"], ['"true"']),
    (["date"], ['"2026-01-02"']),
    (["time"], ['"03:04:05"']),
    (["timestamp"], ['"2026-01-02T03:04:05"']),
    (["timestamptz"], ['"2026-01-02T03:04:05+02:00"']),
    (["timestamptz"], ['"2026-01-02T01:04:05Z"']),
    (["timestamptz"], ['"2025-12-31T23:30:00-01:00"']),
    (["varchar(40)"], ['"Grüße, 世界 \\ud83d\\ude00"']),
    (["varchar(20)"], ['"caf\\u00e9"']),
    (["varchar(20)"], ['"cafe\\u0301"']),
    (["varchar(20)"], ['"say \\"hi\\" \\\\ now"']),
    (["varchar(20)"], ['"O\'Brien"']),
    (["varchar(20)"], ['"a b+c%20d"']),
    (["varchar(20)"], ['"line\\nbreak\\t"']),
    (["varchar(20)"], ['"1:a1:b"']),
    (["varchar(20)", "varchar(20)"], ['"a"', '"b"']),
    (["varchar(20)", "varchar(20)"], ['"b"', '"a"']),
    (["varchar(20)", "varchar(20)"], ['"ab"', '""']),
    (["varchar(20)", "varchar(20)"], ['""', '"ab"']),
    (["varchar(20)", "varchar(20)"], ['""', '""']),
    (["varchar(20)", "varchar(20)"], ['"a1:b"', '"c"']),
    (["varchar(20)", "varchar(20)"], ['"a"', '"b1:c"']),
    (["varchar(20)", "varchar(20)"], ['"1"', '"11"']),
    (["varchar(20)", "varchar(20)"], ['"11"', '"1"']),
    (["bigint", "varchar(20)"], ["1", '"11"']),
    (["varchar(20)", "varchar(20)"], ['":"', '"::"']),
    (["varchar(20)", "varchar(20)"], ['"é"', '"\\ud83d\\ude00"']),
    (["bigint", "varchar(2)"], ["4711", '"DE"']),
    (["bigint", "date"], ["4711", '"2026-01-02"']),
    (["numeric(18,2)", "varchar(20)"], ["1e2", '"100.00"']),
    (["varchar(20)", "bigint", "timestamptz"], ['"shop-7"', "42", '"2026-01-01T00:30:00.5+01:00"']),
    (["varchar(20)", "varchar(20)", "varchar(20)"], ['"a"', '""', '"b"']),
    (["varchar(20)", "varchar(20)", "varchar(20)"], ['""', '"a"', '"b"']),
    (["varchar(20)", "varchar(20)", "varchar(20)"], ['"a"', '"b"', '""']),
    (["char(5)", "boolean", "time"], ['"x    "', "false", '"23:59:59.999999"']),
    (["smallint", "integer", "bigint"], ["-32768", "2147483647", "0"]),
]


def b64(hex_text):
    return base64.b64encode(bytes.fromhex(hex_text)).decode()


# Checksums of the nine bytes "123456789", the usual check input of CRCs.
CHECKSUMS = {
    "CRC64NVME": b64("ae8b14860a799888"),
    "SHA256": base64.b64encode(hashlib.sha256(b"123456789").digest()).decode(),
    "SHA1": base64.b64encode(hashlib.sha1(b"123456789").digest()).decode(),
    "CRC32C": b64("e3069283"),
    "CRC32": b64("cbf43926"),
}
ETAG = "25f9e794323b453885f5181f1b624d0b"
AWKWARD_KEYS = ["queue/orders/a b.csv", "queue/orders/a+b.csv", "queue/orders/a%20b.csv", "queue/orders/Grüße/世界.jsonl"]

# (bucket, key, checksums that S3 returned, type of the checksum, etag as S3 returned it, size)
OBJECTS = [
    *[("landing", "queue/orders/1.json", {name: text}, "FULL_OBJECT", f'"{ETAG}"', 9) for name, text in CHECKSUMS.items()],
    ("landing", "queue/orders/1.json", CHECKSUMS, "FULL_OBJECT", f'"{ETAG}"', 9),
    ("landing", "queue/orders/1.json", {k: CHECKSUMS[k] for k in ("CRC32", "CRC32C", "SHA1")}, "FULL_OBJECT", ETAG, 9),
    ("landing", "queue/orders/1.json", {}, None, f'"{ETAG}"', 9),
    ("landing", "queue/orders/1.json", {}, None, ETAG, 9),
    ("landing", "queue/orders/1.json", {}, None, ETAG, 10),
    ("landing", "queue/orders/1.json", {"SHA256": CHECKSUMS["SHA256"] + "-3"}, "COMPOSITE", f'"{ETAG}-3"', 16777216),
    ("landing", "queue/orders/big.bin", {}, None, f'"{ETAG}-10000"', 5497558138880),
    ("landing", "queue/orders/empty.json", {}, None, '"d41d8cd98f00b204e9800998ecf8427e"', 0),
    ("landing", "queue/orders/2.json", {"CRC64NVME": CHECKSUMS["CRC64NVME"]}, "FULL_OBJECT", f'"{ETAG}"', 9),
    ("landing2", "queue/orders/1.json", {"CRC64NVME": CHECKSUMS["CRC64NVME"]}, "FULL_OBJECT", f'"{ETAG}"', 9),
    *[("landing", key, {"CRC64NVME": CHECKSUMS["CRC64NVME"]}, "FULL_OBJECT", f'"{ETAG}"', 9) for key in AWKWARD_KEYS],
    ("landing", "a:4:ETAG", {}, None, ETAG, 9),
]

POSITIONS = [0, 1, 9, 10, 4096, 9007199254740993, 18446744073709551615]

ROWS = [
    {"id": "1", "name": "a"},
    {"name": "a", "id": "1"},
    {"id": "1", "name": "a", "note": None},
    {"id": "1", "name": None},
    {"id": "1", "name": ""},
    {"id": "1"},
    {"id": "a", "name": "1"},
    {},
    {"id": None},
    {"a1": "x", "a_": "y", "aa": "z", "a": "w"},
    {"amount": "100.00", "paid": "true", "placed_at": "2026-01-02 01:04:05.000000+00", "placed_on": "2026-01-02"},
    {"payload": '{"b":1.0,"a":[1,2]}', "id": "9007199254740993"},
    {"payload": '{"a":[1,2],"b":1.0}', "id": "9007199254740993"},
    {"city": "Grüße, 世界 😀", "quote": 'say "hi" \\ now'},
    {"a": "1:b1:c", "d": ""},
    {"a": "", "b": "c"},
]

# (source ms, position)
ORDERS = [(0, 0), (1, 18446744073709551615), (1767322800000, 9), (1767322800000, 10), (1767322800001, 0)]
ORDERS += [(9999999999999, 9007199254740993), (999999999999, 1)]

GROUPS = [(texts, groups) for texts in (["4711"], ["4712"], [""], [None], ["-"], ["é"]) for groups in (1, 64, 65521)]
GROUPS += [(["a", "b"], 64), (["ab", ""], 64), ([None, "a"], 64), (["a", None], 64), ([None, None], 64), (["-:", "a"], 64)]
GROUPS += [(["4711", "2026-01-02 01:04:05.000000+00"], 64), (["4711"], 1000)]

# (source ms, first position, rows)
MESSAGES = [(1767322800000, 0, 100), (1767322800000, 8192, 100), (1767322800000, 8192, 99), (1767322800001, 8192, 99)]
MESSAGES += [(0, 0, 1), (1, 11, 1), (1, 1, 11), (9999999999999, 18446744073709551615, 1)]


# ---- the file -------------------------------------------------------------------------------------------------------


def key_entry(types, inputs):
    texts = [canonical(kind, text) for kind, text in zip(types, inputs, strict=True)]
    encoding = netstrs(*texts)
    return {"types": types, "inputs": inputs, "canonical": texts, "encoding": encoding, "record_id": sha_id(encoding)}


def object_entry(*case):
    names = ("bucket", "key", "checksums", "checksum_type", "etag", "size")
    encoding = object_encoding(*case)
    return dict(zip(names, case, strict=True)) | {"encoding": encoding, "object_id": sha_id(encoding)}


def source_entry(bucket, key):
    encoding = netstrs(bucket, key)
    return {"bucket": bucket, "key": key, "encoding": encoding, "source_id": sha_id(encoding)}


def keyless_entry(object_id, position):
    encoding = netstrs(object_id, str(position))
    return {"object_id": object_id, "position": position, "encoding": encoding, "record_id": sha_id(encoding)}


def row_entry(columns):
    encoding = row_encoding(columns)
    return {"columns": columns, "encoding": encoding.hex(), "row_hash": blake3(encoding).hexdigest()[:32]}


def order_entry(object_id, source_ms, position):
    order = f"{source_ms:013}/{object_id}/{position:020}"
    return {"source_ms": source_ms, "object_id": object_id, "position": position, "order": order}


def group_entry(texts, groups):
    encoding = group_encoding(texts)
    first = int.from_bytes(hashlib.sha256(encoding.encode()).digest()[:8], "big")
    return {"canonical": texts, "groups": groups, "encoding": encoding, "group": first % groups}


def message_entry(object_id, source_ms, first_position, rows):
    encoding = netstrs(object_id, f"{source_ms:013}", str(first_position), str(rows))
    entry = {"object_id": object_id, "source_ms": source_ms, "first_position": first_position, "rows": rows}
    return entry | {"encoding": encoding, "deduplication_id": sha_id(encoding)}


def vectors():
    objects = [object_entry(*case) for case in OBJECTS]
    ids = list(dict.fromkeys(entry["object_id"] for entry in objects))
    places = dict.fromkeys((entry["bucket"], entry["key"]) for entry in objects)
    return {
        "canonical": [canonical_entry(kind, text) for kind, texts in CANONICAL.items() for text in texts],
        "keys": [key_entry(*case) for case in KEYS],
        "objects": objects,
        "sources": [source_entry(*place) for place in places],
        "keyless": [keyless_entry(ids[0], position) for position in POSITIONS] + [keyless_entry(ids[1], 0)],
        "row_hashes": [row_entry(columns) for columns in ROWS],
        "orders": [order_entry(ids[0], *case) for case in ORDERS] + [order_entry(ids[1], *ORDERS[2])],
        "groups": [group_entry(*case) for case in GROUPS],
        "messages": [message_entry(ids[0], *case) for case in MESSAGES] + [message_entry(ids[1], *MESSAGES[0])],
    }


def assert_injective(entries, encoding, identity):
    """Different inputs have different encodings, and these different identities."""
    assert len({entry[encoding] for entry in entries}) == len({entry[identity] for entry in entries})


def main(arguments):
    found = vectors()
    distinct_keys = {tuple(entry["canonical"]) for entry in found["keys"]}
    assert len(distinct_keys) == len({entry["record_id"] for entry in found["keys"]})
    for part, identity in (("objects", "object_id"), ("sources", "source_id"), ("keyless", "record_id"), ("row_hashes", "row_hash")):
        assert_injective(found[part], "encoding", identity)
    assert_injective(found["messages"], "encoding", "deduplication_id")
    written = json.dumps(found, ensure_ascii=False, indent=1) + "\n"
    counts = ", ".join(f"{len(entries)} {part}" for part, entries in found.items())
    if arguments == ["--check"]:
        same = TARGET.exists() and TARGET.read_text("utf-8") == written
        print(f"identity.json {'is' if same else 'is NOT'} what generate.py writes: {counts}")
        return 0 if same else 1
    TARGET.write_text(written, "utf-8")
    print(f"wrote {TARGET}: {counts}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
