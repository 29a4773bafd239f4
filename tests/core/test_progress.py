"""Progress bars: the listener is called rarely, and only with bars that are still active."""

import itertools
import random
import time
from collections.abc import Iterable, Iterator, Sequence

import pytest

from tandem.core import progress as module
from tandem.core.progress import Progress, listen, progress, track

Seen = list[list[tuple[str, int, dict[str, float]]]]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    """The states of the progress bars at each call of a listener that has no minimum interval."""
    monkeypatch.setattr(module, "INTERVAL", 0)
    calls: Seen = []

    def listener(bars: Sequence[Progress]) -> None:
        calls.append([(bar.name, bar.done, bar.figures) for bar in bars])

    listen(listener)
    yield calls
    listen(None)


def test_nested_bars_are_seen_and_closed(seen: Seen) -> None:
    with progress("seeds", 2) as outer:
        with progress("train", 3, "steps") as inner:
            inner.update(2, loss=0.5)
        outer.update()
    assert [("seeds", 0, {}), ("train", 2, {"loss": 0.5})] in seen
    assert seen[-2:] == [[("seeds", 1, {})], []]


def test_track_gives_the_items_and_knows_their_number(seen: Seen) -> None:
    assert list(track([5, 6], "numbers")) == [5, 6]
    assert [calls[0][1] for calls in seen if calls] == [0, 1, 2]
    bars: list[Progress] = []
    listen(bars.extend)
    list(track(range(7), "range"))
    list(track(iter("abc"), "unknown"))
    assert {bar.name: bar.total for bar in bars} == {"range": 7, "unknown": None}


def test_all_items_are_counted_and_slow_ones_one_by_one(
    seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(track(range(1000), "fast"))
    counts = [calls[0][1] for calls in seen if calls]
    assert counts[-1] == 1000 and len(counts) < 100
    assert max(b - a for a, b in itertools.pairwise(counts)) <= module.MAX_STEP
    seen.clear()
    monkeypatch.setattr(module, "FAST", 0)
    list(track(range(5), "slow"))
    assert [calls[0][1] for calls in seen if calls] == [0, 1, 2, 3, 4, 5, 5]


def test_a_bar_is_closed_when_its_work_fails_or_is_left(seen: Seen) -> None:
    with pytest.raises(ValueError), progress("train"):
        raise ValueError
    assert seen[-1] == []
    for _ in track([1, 2], "left"):
        break
    assert seen[-1] == [] and not module._open


def test_the_listener_is_not_called_more_often_than_its_interval() -> None:
    calls: list[object] = []
    listen(calls.append)
    try:
        for _ in track(range(10_000), "fast"):
            pass
        for n in range(100):
            list(track([n], "short"))
    finally:
        listen(None)
    assert len(calls) <= 10


def test_counting_draws_no_random_number() -> None:
    state = random.getstate()
    list(track(range(100), "rows"))
    assert random.getstate() == state


def test_counting_a_row_costs_less_than_a_microsecond() -> None:
    """Counting adds less than 1 %: the fastest stage, `clean`, takes over 100 µs per row."""

    def seconds(items: Iterable[int]) -> float:
        start = time.perf_counter()
        for _ in items:
            pass
        return time.perf_counter() - start

    listen(lambda bars: None)
    rows = range(100_000)
    try:
        cost = min(seconds(track(rows, "rows")) - seconds(rows) for _ in range(7))
    finally:
        listen(None)
    assert cost / len(rows) < 1e-6
