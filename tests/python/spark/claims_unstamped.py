"""Source records that nobody stamped yet: what the job gives them, and what it leaves to s3-to-lake."""

import json

from rig import COLUMNS, lines

from penstock_rows import stable_id

_COLUMNS = [{**own, "source_name": own["name"].upper()} for own in COLUMNS]


def _record(key, **more):
    return {"ID": key, "DAY": "2026-03-05", "AMOUNT": 1.5, "AT": "2026-03-05T11:11:12+01:00", "BODY": [key], **more}


def _run(bench, entries, **more):
    return bench.run(entries, **{"columns": _COLUMNS, "kind": "lake-job", **more})


def source_records_get_the_stamps_that_s3_to_lake_would_give_them(bench, _fixtures):
    text = "\ufeff" + lines(_record("a"), "", "  " + json.dumps(_record("ä")), _record(None), _record("b", AMOUNT="2"))
    for key in ("orders/a.json", "orders/a.json.gz"):
        entry = bench.put(key, text)
        # What s3-to-lake saw.
        object_id = stable_id(key)
        note = {"object_id": object_id, "etag": entry["etag"], "modified_ms": 1_767_322_800_000}
        bench.write_note(entry, {**note, "state": "handed-over", "until_ms": 0, "holder": "x", "files": []}, "lake")
        assert _run(bench, [entry]) == 0
        found = bench.frame().where(f"_source = '{entry['url']}'").orderBy("_order").collect()
        assert [own._record_id for own in found] == [stable_id(key) for key in ("a", "ä", "b")]
        places = [text.encode().index(json.dumps(_record(key, **more)).encode()) for key, more in _WRITTEN]
        assert [own._order for own in found] == [f"1767322800000/{object_id}/{own:020}" for own in places]
        assert places[0] == 3 and not any(own._deleted for own in found)
        assert len({own._row_hash for own in found}) == 3
        assert bench.note(entry, "lake")["object_id"] == object_id
        assert bench.note(entry, "lake")["state"] == "done"
    assert [own["rules"][0]["rule"] for own in bench.rejects()] == ["required"] * 2


_WRITTEN = [("a", {}), ("ä", {}), ("b", {"AMOUNT": "2"})]


def a_record_has_the_same_place_however_many_tasks_read_its_object(bench, _fixtures):
    text = "\ufeff" + lines(*(_record(f"{n}", DAY=None, BODY="x" * (n * 37 % 101)) for n in range(400)), "")
    entry = bench.put("orders/a.json", text)
    most = "spark.sql.files.maxPartitionBytes"
    try:
        bench.spark.conf.set(most, "5000b")
        assert _run(bench, [entry, bench.put("orders/b.json", lines(_record("b")))]) == 0
        assert bench.spark.read.text(entry["url"]).rdd.getNumPartitions() > 8
    finally:
        bench.spark.conf.unset(most)
    found = {own.id: int(own._order[-20:]) for own in bench.frame().where("id <> 'b'").collect()}
    places, at = {}, 3
    for n, line in enumerate(text.encode()[3:].splitlines(keepends=True)[:400]):
        places[f"{n}"] = at
        at += len(line)
    assert found == places


def an_object_without_a_note_gets_its_order_from_what_the_store_tells(bench, _fixtures):
    entry = bench.put("orders/a.json", lines(_record("a")))
    assert _run(bench, [entry]) == 0
    note = bench.note(entry, "lake")
    key = entry["url"].removeprefix("file:///")
    assert note["object_id"] == stable_id("", key, "ETAG", entry["etag"], str(entry["bytes"]))
    modified_ms = (bench.home / "stage/orders/a.json").stat().st_mtime_ns // 1_000_000
    assert bench.frame().collect()[0]._order == f"{modified_ms:013}/{note['object_id']}/{0:020}"


def what_takes_more_than_types_is_refused_with_its_reason(bench, _fixtures):
    entry = bench.put("orders/a.json", lines(_record("a")))
    derived = [*_COLUMNS, {"name": "more", "type": "varchar(9)", "derived": True}]
    keyless = [{**own, "key": None} for own in _COLUMNS]
    cases = [
        ({"unstamped_needs": ["csv", "rules of column id"]}, "; its contract asks for: csv, rules of column id"),
        ({"unstamped_needs": None}, "the manifest does not say"),
        ({"columns": derived}, "asks for: derived columns"),
        ({"columns": keyless}, "asks for: places of rows as their identity"),
    ]
    for more, reason in cases:
        assert _run(bench, [entry], **more) == 1
        # One line: the same content of the same source.
        rule, told = bench.refused()[entry["url"]]
        assert rule == "unreadable" and reason in told and len(bench.rejects()) == 1, told
        assert told.startswith("the Glue job cannot read source records of this dataset; ")
    assert bench.below("lake") == [] and bench.note(entry, "lake") is None


def what_is_no_json_lines_is_refused_whole_and_its_earlier_files_stay(bench, _fixtures):
    key, good = "orders/a.json", lines(_record("a"), _record("b"))
    assert _run(bench, [bench.put(key, good)]) == 0
    before = bench.below("lake")
    records = [_record(own) for own in ("c", "d")]
    for text, reason in (
        (json.dumps(records), "is an array, and no JSON Lines"),
        ("\ufeff\n [\n" + ",\n".join(map(json.dumps, records)) + "\n]\n", "is an array, and no JSON Lines"),
        ("".join(json.dumps(own, indent=1) for own in records), "is no JSON Lines: none of its lines is an object"),
        ("ID,DAY\nc,2026-03-05\nd,2026-03-05\n", "is no JSON Lines: none of its lines is an object"),
    ):
        entry = bench.put(key, text)
        assert _run(bench, [entry]) == 1
        told = [rule for own in bench.rejects() if "position" not in own for rule in own["rules"]]
        assert {"rule": "unreadable", "reason": reason} in told, told
        assert bench.below("lake") == before and bench.ids() == ["a", "b"]
    # Gzip of an array.
    entry = bench.put("orders/b.json.gz", json.dumps(records))
    assert _run(bench, [entry]) == 1 and "an array" in bench.refused()[entry["url"]][1]
    # Records that break rules are records: the content has no rows.
    assert _run(bench, [bench.put(key, lines(_record(None)))]) == 0
    assert bench.below("lake") == []


def keyless_rows_without_stamps_need_no_identity(bench, _fixtures):
    keyless = [{**own, "key": None, "required": False} for own in _COLUMNS]
    assert (
        _run(bench, [bench.put("orders/a.json", lines(_record("a"), _record("a")))], columns=keyless, stamps=False) == 0
    )
    assert bench.ids() == ["a", "a"]
