"""The lease of a source that another takes while the job has it: the job stops and leaves the source alone."""

import contextlib
import io

from rig import MortalFiles, lines, row

import penstock_files
from penstock_files import Files, now_ms


class _Overwritten(Files):
    """Files among which another writes the note behind the job's n-th writing of a source's note, or n-th
    move."""

    def __init__(self, bench, entry, writes=0, moves=0):
        super().__init__(bench.spark)
        self.bench, self.entry = bench, entry
        self.left = {"write": writes, "move": moves}

    def _count(self, change, url):
        if penstock_files.source_id(self.entry["url"]) not in url:
            return
        self.left[change] -= 1
        if self.left[change] == 0:
            self.bench.write_note(self.entry, _another(self.bench, self.entry))

    def write(self, url, text):
        super().write(url, text)
        self._count("write", url)

    def move(self, url, target):
        super().move(url, target)
        self._count("move", target)


def _another(bench, entry):
    """What another writes into the note that it found."""
    found = bench.note(entry) or {"files": []}
    return {**found, "holder": "lambda", "until_ms": now_ms() + 60_000}


def _entry(bench):
    return bench.put("orders/a.json", lines(row("1"), row("2", day="2026-03-06"), row("3", day="2026-03-07")))


def _lost(bench, entry, files):
    """Runs the job over two objects; gives the files of the first one, and holds that the other one is there."""
    other, told = bench.put("orders/b.json", lines(row("b"))), io.StringIO()
    with contextlib.redirect_stdout(told):
        assert bench.start_with(bench.manifest([entry, other]), files)
    assert "lease lost" in told.getvalue() and "superseded" not in told.getvalue()
    assert bench.note(entry)["holder"] == "lambda" and bench.note(entry)["until_ms"] > now_ms()
    assert bench.note(other)["state"] == "done" and "b" in bench.ids()
    return [own for own in bench.below("lake") if own not in bench.note(other)["files"]]


def a_note_that_another_wrote_at_the_same_time_is_anothers(bench, _fixtures):
    entry = _entry(bench)
    assert _lost(bench, entry, _Overwritten(bench, entry, writes=1)) == []


def a_lease_lost_while_files_are_moved_stops_the_moves(bench, _fixtures):
    entry, before = _entry(bench), penstock_files.RENEW_MS
    penstock_files.RENEW_MS = 0
    try:
        left = _lost(bench, entry, _Overwritten(bench, entry, moves=2))
    finally:
        penstock_files.RENEW_MS = before
    # Whoever has the source now knows what is there of it.
    assert len(left) == 2 and set(left) < set(bench.note(entry)["files"])


def a_lease_is_renewed_while_files_are_moved(bench, _fixtures):
    entry, before, seen = _entry(bench), penstock_files.RENEW_MS, []

    class Seen(Files):
        def write(self, url, text):
            super().write(url, text)
            seen.append(bench.note(entry)["until_ms"])

    penstock_files.RENEW_MS = 0
    try:
        assert bench.start_with(bench.manifest([entry]), Seen(bench.spark))
    finally:
        penstock_files.RENEW_MS = before
    # Taken, begun anew before each of three moves, given back.
    assert len(seen) == 5 and seen[-1] == 0 and seen[:4] == sorted(seen[:4]) and seen[3] > seen[0]
    assert bench.ids() == ["1", "2", "3"] and bench.note(entry)["state"] == "done"


def an_object_replaced_once_the_lease_is_taken_is_left_with_the_note_of_before(bench, _fixtures):
    entry = bench.put("orders/a.json", lines(row("1")))
    assert bench.run([entry]) == 0
    known = bench.note(entry)
    entry = _entry(bench)

    class Replaced(MortalFiles):
        def write(self, url, text):
            super().write(url, text)
            bench.put("orders/a.json", lines(row("newest")))

    assert bench.start_with(bench.manifest([entry]), Replaced(bench.spark, 1_000))
    assert bench.ids() == ["1"]
    assert {**bench.note(entry), "holder": ""} == {**known, "holder": ""}
