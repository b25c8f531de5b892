"""What the Glue job puts into quarantine: the lines and keys of Penstock's functions, in bounded parts, once."""

import gzip
import json
import sys
import types

from rig import lines, row

import penstock_quarantine
from penstock_quarantine import Subject, put, put_parts, violation
from penstock_rows import stable_id

_SUBJECT = Subject("orders", "0" * 32, "s3://b/a b.json", "1.0.0")


def a_line_has_the_fields_of_crates_core_in_their_order(_bench, _fixtures):
    rules = [violation("too_long", "has 9 bytes", "note"), violation("bad_stamp", "no stamps")]
    head = '{"dataset":"orders","object_id":"00000000000000000000000000000000","source":"s3://b/a b.json",'
    head += '"contract_version":"1.0.0","position":0,"line":1,"rules":[{"rule":"too_long","column":"note",'
    head += '"reason":"has 9 bytes"},{"rule":"bad_stamp","reason":"no stamps"}]'
    for record, tail in [
        ('{"a":"\n\t\x01 ö\U0001f600"}'.encode(), ',"raw":"{\\"a\\":\\"\\n\\t\\u0001 ö\U0001f600\\"}"}'),
        (b"\xff\x00", ',"raw_hex":"ff00"}'),
        (b"", "}"),
    ]:
        assert _SUBJECT.line(rules, 0, 1, record) == head + tail + "\n"
    whole = Subject("orders", "1" * 32, "s3://b/k", None).line(rules[1:])
    assert json.loads(whole) == {
        **{"dataset": "orders", "object_id": "1" * 32, "source": "s3://b/k"},
        "rules": [{"rule": "bad_stamp", "reason": "no stamps"}],
    }


def a_long_record_is_cut_between_characters_and_says_so(_bench, _fixtures):
    most = 1 << 20
    for record, name, kept in [
        (b"x" * most, "raw", "x" * most),
        (b"x" * (most + 1), "raw", "x" * most),
        (b"x" + "é".encode() * most, "raw", "x" + "é" * (most // 2 - 1)),
        (b"\xff" + b"x" * most, "raw_hex", "ff" + "78" * (most - 1)),
        (b"x" * (most - 2) + b"\xff" + b"x" * most, "raw", "x" * (most - 2)),
    ]:
        own = json.loads(_SUBJECT.line([], 0, 1, record))
        assert own[name] == kept, (name, len(record))
        assert own.get("raw_bytes") == (len(record) if len(record) > most else None)


def sections_have_parts_of_bounded_size_and_keys_of_their_own(bench, _fixtures):
    rejects = [("a", 0, f"{n}\n") for n in range(5)] + [("a", 3, "s\n"), ("b", 0, "t\n")]
    subjects = {"a": _SUBJECT, "b": Subject("orders", "b" * 32, "s3://b/b", None)}
    for _ in range(2):
        assert list(put_parts(bench.url("quarantine"), subjects, 4, iter(rejects))) == [5, 1, 1]
    found = {own: gzip.decompress(body).decode() for own, body in bench.in_quarantine().items()}
    first = f"orders/{'0' * 32}/json-to-parquet"
    assert found == {
        **{f"{first}-000000.jsonl.gz": "0\n1\n", f"{first}-000001.jsonl.gz": "2\n3\n"},
        **{f"{first}-000002.jsonl.gz": "4\n", f"{first}-s000003-000000.jsonl.gz": "s\n"},
        f"orders/{'b' * 32}/json-to-parquet-000000.jsonl.gz": "t\n",
    }


def the_bucket_gets_puts_alone_and_chooses_the_encryption(_bench, _fixtures):
    calls = []
    client = types.SimpleNamespace(put_object=lambda **own: calls.append(own))
    sys.modules["boto3"] = types.SimpleNamespace(client=lambda name: {"s3": client}[name])
    try:
        put("s3://quarantine", _SUBJECT.key(), [b"line\n"])
    finally:
        del sys.modules["boto3"]
        penstock_quarantine._s3.cache_clear()
    (own,) = calls
    assert gzip.decompress(own.pop("Body")) == b"line\n"
    assert own == {
        **{"Bucket": "quarantine", "Key": f"orders/{'0' * 32}/json-to-parquet-000000.jsonl.gz"},
        **{"ContentType": "application/x-ndjson", "ContentEncoding": "gzip"},
    }


def rejects_are_the_same_however_many_tasks_read_their_object(bench, _fixtures):
    written = [f"no row {n} {'x' * (n * 37 % 101)}|" if n % 3 else json.dumps(row(f"{n}")) for n in range(400)]
    entries = [bench.put(f"orders/{name}.json", "\ufeff\n" + lines(*written)) for name in "ab"]
    assert bench.run(entries) == 0
    once, rejects = bench.in_quarantine(), bench.rejects()
    most = "spark.sql.files.maxPartitionBytes"
    bench.spark.conf.set(most, "4096")
    bench.spark.conf.set("spark.sql.files.openCostInBytes", "1")
    try:
        assert bench.run(entries) == 0
    finally:
        bench.spark.conf.unset(most)
        bench.spark.conf.unset("spark.sql.files.openCostInBytes")
    assert bench.in_quarantine() == once and len(once) == 2
    of_one = [own for own in rejects if own["source"] == entries[0]["url"]]
    assert [own["line"] for own in of_one] == [n + 2 for n in range(400) if n % 3]
    assert [own["raw"] for own in of_one] == [own for n, own in enumerate(written) if n % 3]
    object_id = bench.note(entries[0])["object_id"]
    assert {own["object_id"] for own in of_one} == {object_id} and len(object_id) == len(stable_id("x"))
    assert {own["contract_version"] for own in rejects} == {"1.0.0"}
