"""Death of the job between any two changes of files: the next run ends in what no death would have left."""

from rig import Death, MortalFiles, lines, row

# More than a run changes: the loop below ends when one runs through.
_MOST_CHANGES = 40


def _first(bench):
    return bench.put("orders/a.json", lines(row("1"), row("2", day="2026-03-06"), row("3", day="2026-03-07")))


def _second(bench):
    return bench.put("orders/a.json", lines(row("1"), row("4", day="2026-03-06"), row("5", day="2026-03-08"), "bad"))


def _all(bench):
    note = bench.note(_second(bench))
    known = note["state"], note["until_ms"], note["files"]
    return bench.below("lake"), bench.ids(), known, bench.in_quarantine(), bench.below("lake/_penstock")


def a_death_between_any_two_changes_leaves_nothing_that_the_next_run_does_not_find(bench, _fixtures):
    assert bench.run([_first(bench)]) == 0
    put_back = bench.keep()
    second = bench.manifest([_second(bench)])
    assert bench.start(second) == 0
    want = _all(bench)
    assert want[1] == ["1", "4", "5"] and want[4] == []
    for deaths in range(_MOST_CHANGES):
        put_back()
        try:
            bench.start_with(second, MortalFiles(bench.spark, deaths))
        except Death:
            _assert_noted(bench)
            assert bench.start(second) == 0
            assert _different(want, _all(bench)) == []
        else:
            assert deaths > 7, "the note twice, three moves, a deletion, and the folders at least"
            return
    raise AssertionError("the job does not end")


def _assert_noted(bench):
    """Whatever a reader may find is written down."""
    visible = {own for own in bench.below("lake") if not own.startswith("_penstock/")}
    assert visible <= set(bench.note(_second(bench))["files"])


def _different(want, found):
    return [pair for pair in zip(want, found, strict=True) if pair[0] != pair[1]]


def a_death_in_every_run_ends_the_same_once_one_lives(bench, _fixtures):
    assert bench.run([_first(bench)]) == 0
    second = bench.manifest([_second(bench)])
    died = 0
    for deaths in (3, 5, 6, 4, 7):
        try:
            bench.start_with(second, MortalFiles(bench.spark, deaths))
        except Death:
            died += 1
            _assert_noted(bench)
    assert died == 5
    assert bench.start(second) == 0
    assert bench.ids() == ["1", "4", "5"]
    assert bench.below("lake") == bench.note(_second(bench))["files"]


def an_object_replaced_while_it_is_read_is_left_to_its_own_event(bench, _fixtures):
    first, kept = _first(bench), bench.put("orders/b.json", lines(row("b")))
    url = bench.manifest([first, kept])

    class Replaced(MortalFiles):
        """Replaces the object right before its rows would become visible."""

        def below(self, folder):
            _second(bench)
            return super().below(folder)

    assert bench.start_with(url, Replaced(bench.spark, 1_000))
    assert bench.ids() == ["b"]
    assert bench.note(first) is None
