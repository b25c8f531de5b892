"""What the Glue job does with objects, good and bad: files, rows, notes, rejects."""

import contextlib
import decimal
import io
import json
import os
import time

from py4j.protocol import Py4JJavaError
from rig import COLUMNS, lines, row

import json_to_parquet
from penstock_files import now_ms, source_id
from penstock_manifest import ManifestError
from penstock_rows import stable_id


def rows_become_typed_parquet_in_the_folders_of_their_partitions(bench, _fixtures):
    entry = bench.put("orders/2026/a.json", lines(row("1"), row("2", day=None), row("3", day="2026-03-06")))
    assert bench.run([entry]) == 0
    name = f"part-{source_id(entry['url'])}-00000.parquet"
    days = ("2026-03-05", "2026-03-06", "__HIVE_DEFAULT_PARTITION__")
    assert bench.below("lake") == [f"orders/day={day}/{name}" for day in days]
    first = bench.frame().where("id = '1'").collect()[0].asDict()
    assert first["amount"] == decimal.Decimal("1.500000000000000000")
    assert first["body"] == '{"n":1}'
    assert (first["_record_id"], first["_deleted"]) == (stable_id("1"), False)
    assert first["_source"] == "s3://landing/a b.json"
    assert [own.dataType.simpleString() for own in bench.frame().schema.fields] == [
        *("string", "decimal(38,18)", "timestamp", "string"),
        *("string", "string", "string", "string", "boolean", "date"),
    ]
    note = bench.note(entry)
    assert note["files"] == bench.below("lake")
    assert (note["state"], note["until_ms"], note["source"]) == ("done", 0, entry["url"])


def without_stamps_the_files_have_the_contracts_columns_alone(bench, _fixtures):
    assert bench.run([bench.put("orders/a.json", lines(row("1")))], stamps=False) == 0
    assert bench.frame().columns == ["id", "amount", "at", "body", "day"]


def a_rerun_adds_nothing(bench, _fixtures):
    entries = [bench.put(f"orders/{n}.json.gz", lines(row(f"{n}a"), "not json", row(f"{n}b"))) for n in range(3)]
    url = bench.manifest(entries)
    assert bench.start(url) == 0
    before = bench.below("lake"), bench.below("work/curated"), bench.ids(), bench.in_quarantine()
    for _ in range(2):
        assert bench.start(url) == 0
    # As the event of another delivery would have it: another manifest over the same objects.
    assert bench.run(entries[::-1]) == 0
    assert (bench.below("lake"), bench.below("work/curated"), bench.ids(), bench.in_quarantine()) == before
    assert len(before[3]) == 3 and len(bench.rejects()) == 3


def a_replaced_source_replaces_its_own_rows_and_no_others(bench, _fixtures):
    other = bench.put("orders/other.json", lines(row("o")))
    entry = bench.put("orders/a.json", lines(row("1"), row("2", day="2026-03-06")))
    assert bench.run([other, entry]) == 0
    entry = bench.put("orders/a.json", lines(row("2", day="2026-03-07"), row("3", day="2026-03-06"), row("4")))
    assert bench.run([entry]) == 0
    assert bench.ids() == ["2", "3", "4", "o"]
    entry = bench.put("orders/a.json", lines(row("5", day="2026-03-07")))
    assert bench.run([entry]) == 0
    assert bench.ids() == ["5", "o"]
    assert bench.note(entry)["files"] == [f"orders/day=2026-03-07/part-{source_id(entry['url'])}-00000.parquet"]
    assert bench.run([bench.put("orders/a.json", "")]) == 0
    assert bench.ids() == ["o"]
    assert bench.note(entry)["files"] == []


def an_object_that_vanished_or_was_replaced_is_left_to_its_own_event(bench, _fixtures):
    entries = [bench.put(f"orders/{n}.json", lines(row(n))) for n in "abc"]
    bench.put("orders/b.json", lines(row("b"), row("newer")))
    (bench.home / "stage/orders/c.json").unlink()
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        assert bench.run(entries) == 0
    assert bench.ids() == ["a"]
    # Two contents of one key in one manifest: the one that is there counts, in whatever order they came.
    newer = bench.put("orders/b.json", lines(row("b"), row("newer"))) | {"put": "unknown to the job", "more": {}}
    for both in ([entries[1], newer], [newer, entries[1]]):
        assert bench.run(both) == 0
        assert bench.ids() == ["a", "b", "newer"]
        assert bench.note(newer)["etag"] == newer["etag"]
    assert told.getvalue().count("object superseded") == 2
    assert bench.note(entries[2]) is None and bench.rejects() == []


def rows_that_do_not_fit_are_written_down_and_stop_no_others(bench, _fixtures):
    bad = [
        ("secret not json", "not_an_object"),
        ('{"id":"1"} {"id":"2"}', "invalid_json"),
        ("[1]", "not_an_object"),
        (json.dumps(row("1")).replace('"id"', '"day": null, "id"'), "duplicate_key"),
        (row(None), "required"),
        (row("1", amount="secret"), "not_a_number"),
        (row("1", amount="123456789012345678901.5"), "too_many_digits"),
        (row("1", amount="0.0000000000000000001"), "too_many_digits"),
        (row("1", day="2026-02-30"), "invalid_date"),
        (row("1", at="2026-03-05 24:00:00+00"), "invalid_timestamp"),
        (row("x" * 21), "too_long"),
        (json.dumps(row("1")).replace('"n": 1', '"n": 1, "n": 2'), "duplicate_key"),
        (row("1", _record_id=stable_id("2")), "bad_stamp"),
        (row("1", _row_hash="XY"), "bad_stamp"),
        (row("1", _order="a b"), "bad_stamp"),
        (row("1", _deleted="maybe"), "bad_stamp"),
        ('{"a":' * 3000, "invalid_json"),
        (json.dumps(row("1"))[:-1] + ',"more":"' + "x" * (4 << 20) + '"}', "record_too_large"),
        ('{"id":"\\ud800"}', "invalid_json"),
    ]
    written = [own if isinstance(own, str) else json.dumps(own, ensure_ascii=False) for own, _ in bad]
    text = lines(row("first"), *written, row("last"))
    entry = bench.put("orders/a.json", text.encode() + b'{"id":"\xff"}\n')
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        assert bench.run([entry]) == 0
    assert bench.ids() == ["first", "last"]
    rejects = bench.rejects()
    found = [own["rules"][0]["rule"] for own in rejects]
    assert found == [rule for _, rule in bad] + ["not_utf8"], found
    assert {(own["source"], own["dataset"]) for own in rejects} == {(entry["url"], "orders")}
    # The place finds the record again; it stands in quarantine, cut where it is long, and nowhere else.
    for n, (own, record) in enumerate(zip(rejects, written, strict=False)):
        assert text.encode()[own["position"] :].startswith(record[:1000].encode()) and own["line"] == n + 2
        assert own["raw"] == record[: 1 << 20] and own.get("raw_bytes") == (4 << 20 if len(record) > 1 << 20 else None)
    assert rejects[-1]["raw_hex"] == b'{"id":"\xff"}'.hex() and "raw" not in rejects[-1]
    assert "secret" not in told.getvalue() and "secret" not in json.dumps([own["rules"] for own in rejects])
    assert "secret" not in "".join((bench.home / own).read_text() for own in bench.below(".") if "work/" in own)
    assert [own for own in bench.below("quarantine") if not own.startswith("orders/")] == []
    assert '"invalid_json": 3' in told.getvalue()


def an_object_of_rejects_alone_replaces_its_rows_and_one_without_stamps_does_not(bench, _fixtures):
    good = bench.put("orders/good.json", lines(row("g")))
    entry = bench.put("orders/a.json", lines(row("1")))
    assert bench.run([good, entry]) == 0
    # As for any function: records without stamps are nobody's rows, be some of them broken in other ways, too.
    entry = bench.put("orders/a.json", lines({"id": "1"}, row("2", _row_hash="XY", day="no day")))
    assert bench.run([good, entry]) == 1
    assert bench.ids() == ["1", "g"]
    assert bench.refused() == {
        entry["url"]: ("bad_stamp", "no record has the stamps of a row that a function has checked")
    }
    entry = bench.put("orders/a.json", "id,amount\n1,2\n")
    assert bench.run([good, entry]) == 0
    assert bench.ids() == ["g"] and bench.note(entry)["files"] == []
    assert [own["raw"] for own in bench.rejects() if own["rules"][0]["rule"] == "not_an_object"] == ["id,amount", "1,2"]


def an_object_with_a_key_that_s3_refuses_keeps_its_old_files(bench, _fixtures):
    columns = [COLUMNS[0], *({"name": f"p{n}", "type": "varchar(250)", "partition": n} for n in range(1, 5))]
    fit = {f"p{n}": "x" * 236 for n in range(1, 5)}
    # dataset/ part- id - 10 digits .parquet, and =/ with each folder.
    spare = 1024 - (7 + 5 + 32 + 1 + 10 + 8) - 4 * (4 + 236)
    fit["p4"] += "x" * spare
    entry = bench.put("orders/a.json", lines(row("1", p1=None, p2="a")))
    assert bench.run([entry], columns=columns) == 0
    broken = {**fit, "p4": fit["p4"] + "x"}
    entry = bench.put("orders/a.json", lines(row("2"), row("3", **broken), "no row"))
    assert bench.run([entry], columns=columns) == 1
    assert bench.ids() == ["1"]
    assert bench.refused() == {entry["url"]: ("too_long", "a row's partition makes a key of 1025 bytes, S3 takes 1024")}
    assert len(bench.rejects()) == 2
    entry = bench.put("orders/a.json", lines(row("2"), row("3", **fit)))
    assert bench.run([entry], columns=columns) == 0
    assert bench.ids() == ["2", "3"]


def a_broken_object_stops_no_other(bench, _fixtures):
    good = [bench.put(f"orders/{n}.json.gz", lines(row(n))) for n in "abc"]
    whole = bench.put("orders/cut.json.gz", lines(*(row(f"{n}", amount=f"{n * 7919}.{n}") for n in range(3000))))
    content = (bench.home / "stage/orders/cut.json.gz").read_bytes()
    cut = bench.put("orders/cut.json.gz", content[: len(content) // 2])
    assert cut["bytes"] < whole["bytes"]
    wrong = bytearray(content)
    wrong[-6] ^= 1
    crc = bench.put("orders/crc.json.gz", bytes(wrong))
    assert bench.run([good[0], cut, good[1], crc, good[2]]) == 1
    assert bench.ids() == ["a", "b", "c"]
    assert bench.below("lake/_penstock") == []
    told = {source: rule for source, (rule, _) in bench.refused().items()}
    assert told == {cut["url"]: "truncated", crc["url"]: "corrupt_compression"}
    # Another manifest over the same objects adds nothing.
    kept = bench.in_quarantine()
    assert bench.run([crc, cut]) == 1 and bench.in_quarantine() == kept and len(kept) == 2
    for entry in (cut, crc):
        own = stable_id("", entry["url"].removeprefix("file:///"), entry["etag"], str(entry["bytes"]))
        assert f"orders/{own}/json-to-parquet-000000.jsonl.gz" in kept


def a_worker_that_was_killed_is_no_fault_of_the_object(bench, _fixtures):
    # The second dies once all was sent to it: Java ends in an EOFException then.
    for count in (30_000, 1):
        bench.put("killed.txt", "x\n" * count)
        lost = bench.spark.read.text(bench.url("stage/killed.txt")).rdd.mapPartitions(_killed)
        try:
            lost.count()
        except Py4JJavaError as fault:
            assert json_to_parquet.object_fault(str(fault)) is None, fault
        else:
            raise AssertionError("the worker lives")
    lost = "org.apache.spark.SparkException: Python worker exited unexpectedly (crashed)\nCaused by: "
    for cause in ("java.io.EOFException\n\tat java.base/java.io.DataInputStream.readInt", _OF_A_BROKEN_OBJECT):
        assert json_to_parquet.object_fault(lost + cause) is None
    assert json_to_parquet.object_fault(_OF_A_BROKEN_OBJECT)[0] == "truncated"


_OF_A_BROKEN_OBJECT = "java.io.EOFException: Unexpected end\n\tat org.apache.hadoop.io.compress.X.read(X.java:1)"


def _killed(records):
    for _ in records:
        os._exit(9)
    yield 1


def objects_that_spark_would_take_for_others_are_refused_by_name(bench, _fixtures):
    good = bench.put("orders/good.json", lines(row("g")))
    zipped = bench.put("orders/z.json.gz", lines(row("1")))
    content = (bench.home / "stage/orders/z.json.gz").read_bytes()
    bad = [
        bench.put("orders/_hidden.json", lines(row("1"))),
        bench.put("orders/.hidden.json", lines(row("1"))),
        bench.put("orders/gzip.json", content),
        bench.put("orders/plain.json.bz2", lines(row("1"))),
        bench.put("orders/zstd.json", b"\x28\xb5\x2f\xfd" + content),
        {**zipped, "url": zipped["url"].replace("orders/z", "orders//z")},
    ]
    plain = bench.put("orders/plain.json.gz", content)
    (bench.home / "stage/orders/plain.json.gz").write_bytes(b"x" * plain["bytes"])
    assert bench.run([good, *bad, plain]) == 1
    assert bench.ids() == ["g"]
    assert sorted(bench.refused()) == sorted(own["url"] for own in [*bad, plain])


def every_key_is_read_as_it_is_written(bench, _fixtures):
    names = [
        "a b",
        "a%20b",
        "a+b",
        "ä",
        "x=1",
        "[a]",
        "{a,b}",
        "a*",
        "a?",
        "#a",
        "a,b",
        "a'b",
        'a"b',
        "a&b",
        "a:b",
        "^a$",
    ]
    names += ["back\\slash", "dt=2026-01-01/part"]
    entries = [bench.put(f"orders/{name}.json", lines(row(f"{n}", _source=None))) for n, name in enumerate(names)]
    assert bench.run(entries) == 0
    found = {own.id: own._source for own in bench.frame().select("id", "_source").collect()}
    assert found == {str(n): entry["url"] for n, entry in enumerate(entries)}
    assert len(bench.below("lake")) == len(names)


def lines_end_as_they_like(bench, _fixtures):
    one, two, three = (json.dumps(row(n)) for n in "123")
    entry = bench.put("orders/a.json", f"\ufeff{one}\r\n\n   \r\n \t{two} \r\n{three}")
    only = bench.put("orders/blank.json", "\n\n")
    assert bench.run([entry, only, bench.put("orders/none.json", "")]) == 0
    assert bench.ids() == ["1", "2", "3"]
    assert bench.rejects() == []


def partition_values_are_escaped_as_hive_does_it(bench, _fixtures):
    columns = [COLUMNS[0], {"name": "place", "type": "varchar(400)", "partition": 2}]
    columns += [{"name": "at", "type": "timestamp", "partition": 1}]
    values = ["a/b=c:d%e", "", None, "Köln (Süd)", "\n\"#'*?\\{[]^", "..", "x" * 200]
    at = "2026-03-05 10:11:12.100000"
    entry = bench.put("orders/a.json", lines(*(row(f"{n}", place=own, at=at) for n, own in enumerate(values))))
    assert bench.run([entry], columns=columns) == 0
    places = {own.split("/")[2] for own in bench.below("lake")}
    assert {own.split("/")[1] for own in bench.below("lake")} == {"at=2026-03-05 10%3A11%3A12.100000"}
    assert places == {
        *("place=a%2Fb%3Dc%3Ad%25e", "place=__HIVE_DEFAULT_PARTITION__", "place=Köln (Süd)", "place=.."),
        *("place=%0A%22%23%27%2A%3F%5C%7B%5B%5D%5E", "place=" + "x" * 200),
    }
    assert bench.rejects() == []


def nested_json_stays_as_it_was_written(bench, _fixtures):
    texts = ['{"b":1.50,"a":[1e2,-0,12345678901234567890.10]}', '"caf\\u00e9 \\/ "', "1e2", "true", '{"":{"x":[]}}']
    body = '"body": {"n": 1}'
    written = [json.dumps(row(f"{n}")).replace(body, f'"body":{own}') for n, own in enumerate(texts)]
    written += [json.dumps(row("5")).replace(body, '"body": { "t" : "a  \\" b" , "u" : [ 1 , 2 ] }')]
    written += [json.dumps(row("6", body=None))]
    assert bench.run([bench.put("orders/a.json", lines(*written))]) == 0
    found = [own.body for own in bench.frame().orderBy("id").select("body").collect()]
    assert found == [*texts, '{"t":"a  \\" b","u":[1,2]}', None]


def decimals_and_times_keep_their_last_digit(bench, _fixtures):
    columns = [COLUMNS[0], *({"name": name, "type": kind} for name, kind in _EXACT.items())]
    for n, (texts, _) in enumerate(_VALUES):
        bench.put(f"orders/{n}.json", lines(row(str(n), **dict(zip(_EXACT, texts, strict=True)))))
    entries = [bench.put(f"orders/{n}.json", lines(row(str(n), **_named(own)))) for n, (own, _) in enumerate(_VALUES)]
    assert bench.run(entries, columns=columns) == 0
    for n, (_, want) in enumerate(_VALUES):
        casts = [f"CAST({name} AS STRING)" for name in _EXACT]
        found = bench.frame().where(f"id = '{n}'").selectExpr(*casts).collect()[0]
        assert tuple(found) == want, (found, want)


_EXACT = {
    "small": "numeric(9,4)",
    "mid": "numeric(18,0)",
    "big": "numeric(38,37)",
    "days": "date",
    "plain": "timestamp",
}
_EXACT |= {"zoned": "timestamptz", "clock": "time", "wide": "double precision", "tiny": "smallint"}
_VALUES = [
    (
        ("-99999.9999", "9" * 18, "-9." + "9" * 37, "0001-01-01", "0001-01-01 00:00:00.000001"),
        ("-99999.9999", "9" * 18, "-9." + "9" * 37, "0001-01-01", "0001-01-01 00:00:00.000001"),
    ),
    (
        ("0.0001", "-1", "0." + "0" * 36 + "1", "9999-12-31", "9999-12-31 23:59:59.999999"),
        ("0.0001", "-1", "1E-37", "9999-12-31", "9999-12-31 23:59:59.999999"),
    ),
    (
        ("1.5000", "0", "1.0000000000000000000000000000000000000", "1582-10-10", "1883-11-18 12:03:57.000000"),
        ("1.5000", "0", "1.0000000000000000000000000000000000000", "1582-10-10", "1883-11-18 12:03:57"),
    ),
]
_VALUES = [
    ((*texts, texts[4] + "+00", "23:59:59.999999", "0.1", "-32768"), (*want, want[4], "86399999999", "0.1", "-32768"))
    for texts, want in _VALUES
]


def _named(texts):
    return dict(zip(_EXACT, texts, strict=True))


def a_lease_of_another_is_waited_for(bench, _fixtures):
    entry = bench.put("orders/a.json", lines(row("1")))
    held = {"holder": "lambda", "until_ms": now_ms() + 1_500, "state": "open", "files": ["orders/old.parquet"], "x": 7}
    bench.write_note(entry, held)
    old = bench.home / "lake/orders/old.parquet"
    old.parent.mkdir(parents=True)
    old.write_text("old")
    started = time.monotonic()
    assert bench.run([entry]) == 0
    assert now_ms() >= held["until_ms"] and time.monotonic() - started >= 1
    # What another wrote down is kept, and its files are found.
    assert bench.note(entry)["x"] == 7
    assert not old.exists() and bench.ids() == ["1"]


def a_broken_note_or_manifest_is_named(bench, _fixtures):
    entry, good = bench.put("orders/a.json", lines(row("1"))), bench.put("orders/b.json", lines(row("2")))
    bench.write_note(entry, "{")
    assert bench.run([entry, good]) == 1
    assert bench.ids() == ["2"]
    rule, reason = bench.refused()[entry["url"]]
    assert rule == "no_progress" and "is not a note of Penstock" in reason
    wrong = [{"version": 2}, {"columns": [{**COLUMNS[0], "type": "uuid"}]}, {"target": 5}, {"kind": "crawler"}]
    for entry, more in [*((good, own) for own in wrong), ({"url": good["url"]}, {})]:
        try:
            bench.run([entry], **more)
        except ManifestError as fault:
            assert "is not a manifest of Penstock" in str(fault), fault
        else:
            raise AssertionError(more)
    try:
        bench.start(bench.url("none.json"))
    except ManifestError as fault:
        assert str(fault).endswith("does not exist")
