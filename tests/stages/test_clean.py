"""The stage `clean` on real rows with planted faults, and each of its filters."""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.core import io, params, paths, registry
from tandem.core import task as tasks
from tandem.core.errors import DataError, ParamsError, StageError
from tandem.core.rows import Dropped, Row, Span, read_rows, write_rows
from tandem.core.task import BaseTask
from tandem.stages import clean
from tandem.tasks.intent import IntentRow
from tandem.tasks.sentiment import SentimentRow
from tandem.tasks.translation import TranslationRow
from tandem.text.cleaning import apply_filters
from tandem.text.filters import FilterParams

ROOT = Path(__file__).parents[2]
TASKS = ["generation", "translation", "intent", "sentiment"]
Rows = dict[str, list[Row]]


def write_raw_rows(task: str, rows: Sequence[Row]) -> None:
    paths.raw(task).mkdir(parents=True)
    write_rows(paths.raw(task) / paths.ROWS, rows, tasks.load(task).row)


def read_outputs(task: str) -> tuple[dict[str, Any], dict[str, str], Any]:
    """Return the kept rows by id, the reason for each dropped row by id, and the metrics."""
    kept = read_rows(paths.clean(task) / paths.ROWS, tasks.load(task).row)
    dropped = read_rows(paths.clean(task) / paths.DROPPED, Dropped)
    metric = io.read_details(paths.details("clean", task))
    return {row.id: row for row in kept}, {item.id: item.reason for item in dropped}, metric


def sentiment(name: str, text: str, label: str = "positive") -> SentimentRow:
    return SentimentRow(id=name, group=name, domain="planted", text=text, label=label)


PLANTED = [
    (sentiment("dup", "A  gem of a MOVIE, &amp; quite a find in that rental shop!"), "duplicate"),
    (
        sentiment("near", "A gem of a movie, & quite a find in that old rental shop!"),
        "near_duplicate",
    ),
    (sentiment("yes", "Yes, of course it was.", "negative"), "conflict"),
    (sentiment("no", "yes, of  course it was.", "positive"), "conflict"),
    (sentiment("blank", " <p>\u200b</p> "), "empty"),
    (sentiment("one", "!"), "too_short"),
    (sentiment("many", "so bad " * 150), "too_long"),
    (
        sentiment("de", "Das ist leider ein ziemlich langweiliger Film, den niemand sehen muss."),
        "not_en",
    ),
]
KEPT = {
    "gem": ("A gem of a movie, & quite a find in that rental shop!",) * 2,
    "mail": (
        "ask jo@example.org or 212-736-5000, not 4111 1111 1111 1111",
        "ask <EMAIL> or <PHONE>, not <CARD>",
    ),
    "moji": ("<b>Itâ€™s</b>  a <3 film&hellip;", "It’s a <3 film…"),
    "years": (
        "From 1995-1998 to 2001: 10-7, version 2.0.1",
        "From 1995-1998 to 2001: 10-7, version 2.0.1",
    ),
}


def test_planted_faults_and_hardly_any_other_rows_are_dropped(
    project: Path, real_rows: Rows
) -> None:
    valid = [sentiment(name, before) for name, (before, _) in KEPT.items()]
    rows = [*valid, *(row for row, _ in PLANTED), *real_rows["sentiment"]]
    write_raw_rows("sentiment", rows)
    message = clean.main("sentiment")
    kept, dropped, metric = read_outputs("sentiment")
    [(reason, count)] = Counter(dropped.values()).most_common(1)
    assert message.startswith(
        f"{len(kept):,} of {len(rows):,} rows kept, dropped: {reason} {count}"
    )
    assert message.endswith("; written to data/clean/sentiment")
    planted = {row.id: reason for row, reason in PLANTED}
    assert {name: dropped[name] for name in planted} == planted
    assert {name: kept[name].text for name in KEPT} == {n: after for n, (_, after) in KEPT.items()}
    assert metric["masked"] == {
        kind: sum(f"<{kind.upper()}>" in row.text for row in kept.values())
        for kind in ("card", "email", "phone")
    }
    assert kept.keys() | dropped.keys() == {row.id for row in rows}
    assert not kept.keys() & dropped.keys()
    # The source is clean: less than 2 % of its rows are dropped.
    assert sum(name not in planted for name in dropped) < 0.02 * len(real_rows["sentiment"])
    assert metric["kept"] + sum(metric["dropped"].values()) == metric["rows"] == len(rows)
    assert sum(sum(counts.values()) for counts in metric["domains"].values()) == len(rows)


@pytest.mark.parametrize("task", TASKS)
def test_a_second_run_gives_the_same_bytes(project: Path, real_rows: Rows, task: str) -> None:
    write_raw_rows(task, real_rows[task][:800])
    runs = []
    for _ in range(2):
        clean.main(task)
        files = [*sorted(paths.clean(task).iterdir()), paths.details("clean", task)]
        runs.append([file.read_bytes() for file in files])
    assert runs[0] == runs[1]


def test_spans_and_placeholders_of_real_rows_survive(project: Path, real_rows: Rows) -> None:
    rows = [row for row in real_rows["intent"] if isinstance(row, IntentRow)]
    messy = [
        dataclasses.replace(
            row,
            text="\u200b  " + row.text,
            spans=tuple(
                dataclasses.replace(span, start=span.start + 3, end=span.end + 3)
                for span in row.spans
            ),
        )
        for row in rows
    ]
    write_raw_rows("intent", messy)
    clean.main("intent")
    kept, _, _ = read_outputs("intent")
    assert len(kept) > 0.95 * len(messy)
    assert all(kept[row.id] == row for row in rows if row.id in kept)


def reasons_of(kind: str, rows: Sequence[Row], task: str, **filter_params: Any) -> list[str | None]:
    module = registry.load("text.filters", kind)
    return list(
        module.drop_reasons(rows, tasks.load(task), module.Params(kind=kind, **filter_params))
    )


def pair(text: str, target: str) -> TranslationRow:
    return TranslationRow(id=text, group="g", domain="d", text=text, target=target)


def test_pairs_are_checked_on_both_sides() -> None:
    rows = [
        pair("Turn on {name}", "{name} einschalten"),
        pair("Turn on {name}", "{names} einschalten"),
        pair("OK", "In Ordnung"),
        pair("Restart", "Das Gerät wird nun neu gestartet, bitte warten"),
    ]
    assert reasons_of("placeholders", rows, "translation") == [None, "placeholders", None, None]
    assert reasons_of("ratio", rows, "translation", max_ratio=3.0, min_chars=25) == [
        None,
        None,
        None,
        "length_ratio",
    ]


def test_language_is_checked_by_field_but_not_for_placeholders_and_short_texts() -> None:
    english = "The device could not be reached over the network, please try again later"
    german = "Das Gerät konnte über das Netzwerk nicht erreicht werden, bitte später versuchen"
    rows = [
        pair(english, german),
        pair(english, english + "."),
        pair(german, german + "."),
        pair("Licht", "light"),
        pair("{das_ist_ein_sehr_langer_name_und_kein_text} off", "aus"),
    ]
    filter_params = {"expected": {"text": "en", "target": "de"}, "among": ["en", "de", "fr"]}
    reasons = reasons_of(
        "language", rows, "translation", min_chars=30, min_confidence=0.3, **filter_params
    )
    assert reasons == [None, "not_de", "not_en", None, None]


def test_spans_are_part_of_an_answer() -> None:
    def intent(name: str, start: int) -> IntentRow:
        span = Span(start=start, end=start + 3, label="area")
        return IntentRow(
            id=name, group="g", domain="d", text="den den on", label="HassTurnOn", spans=(span,)
        )

    longer = dataclasses.replace(intent("c", 0), spans=(Span(start=0, end=7, label="area"),))
    filter_params = {"answer": ["label", "spans"]}
    same = [intent("a", 0), intent("b", 4)]
    assert reasons_of("duplicates", same, "intent", **filter_params) == [None, "duplicate"]
    assert reasons_of("duplicates", [*same, longer], "intent", **filter_params) == ["conflict"] * 3


@given(st.permutations(range(6)))
def test_the_first_of_equal_texts_is_kept(order: list[int]) -> None:
    rows = [sentiment(str(i), f"text number {'abcdef'[i // 2]}") for i in order]
    reasons = reasons_of("duplicates", rows, "sentiment", answer=["label"])
    firsts = [next(row.id for row in rows if int(row.id) // 2 == half) for half in range(3)]
    kept = [row.id for row, reason in zip(rows, reasons, strict=True) if reason is None]
    assert sorted(kept) == sorted(firsts)


def test_a_new_filter_needs_one_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "shouting.py").write_text(
        "from tandem.text.filters import FilterParams\n"
        "class Params(FilterParams):\n"
        "    pass\n"
        "def drop_reasons(rows, task, params):\n"
        "    return ('shouting' if row.text.isupper() else None for row in rows)\n"
    )
    import tandem.text.filters as package_of_filters

    monkeypatch.setattr(
        package_of_filters, "__path__", [*package_of_filters.__path__, str(tmp_path)]
    )
    names = registry.names  # finds only the plug-ins in Tandem's own folder
    monkeypatch.setattr(registry, "names", lambda package: [*names(package), "shouting"])
    content = default_params("sentiment") | {"filters": [{"kind": "shouting"}]}
    clean_params = clean.Params.model_validate(content)
    rows = [sentiment("a", "LOUD"), sentiment("b", "quiet")]
    kept, dropped = apply_filters(rows, tasks.load("sentiment"), clean_params.filters)
    assert [row.id for row in kept] == ["b"]
    assert [(item.id, item.reason) for item in dropped] == [("a", "shouting")]


def default_params(task: str) -> dict[str, Any]:
    section: dict[str, Any] = params.read(ROOT / paths.PARAMS)[task]["clean"]
    return section


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"filters": [{"kind": "lenght"}]}, "Did you mean 'length'"),
        ({"filters": [{"kind": "placeholders", "x": 1}]}, "x"),
        ({"repair": ["entities", "magic"]}, "entities"),
        ({"mask": {"kinds": ["email"], "regions": ["XY"]}}, "unknown regions: XY"),
        ({"filtres": []}, "filters"),
        (
            {
                "filters": [
                    {
                        "kind": "language",
                        "expected": {"text": "xx"},
                        "among": ["en"],
                        "min_chars": 1,
                        "min_confidence": 0.5,
                    }
                ]
            },
            "'xx' is not a language",
        ),
    ],
)
def test_an_error_in_params_is_reported_in_one_line(change: dict[str, Any], message: str) -> None:
    content = {"sentiment": {"clean": default_params("sentiment") | change}}
    with pytest.raises(ParamsError, match=message) as caught:
        params.load(clean.Params, "sentiment", "clean", content=content)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "filter_params"),
    [
        ("duplicates", {"answer": ["lable"]}),
        (
            "language",
            {"expected": {"target": "de"}, "among": ["en"], "min_chars": 1, "min_confidence": 0.1},
        ),
    ],
)
def test_a_field_that_rows_do_not_have_is_an_error(
    kind: str, filter_params: dict[str, Any]
) -> None:
    with pytest.raises(ParamsError, match=r"no (text )?field '(lable|target)'"):
        reasons_of(kind, [sentiment("a", "text")], "sentiment", **filter_params)


def test_the_error_for_no_rows_left_has_the_most_frequent_reason(project: Path) -> None:
    write_raw_rows("sentiment", [sentiment("a", "!"), sentiment("b", "?")])
    with pytest.raises(
        DataError, match=r"most were dropped as too_short: relax sentiment\.clean\.filters"
    ):
        clean.main("sentiment")
    assert not paths.clean("sentiment").exists()
    assert not list(project.glob("data/clean/.*"))


def test_a_missing_input_is_an_error(project: Path) -> None:
    with pytest.raises(StageError, match=r"rows\.parquet is missing: run"):
        clean.main("sentiment")


def test_every_filter_has_the_functions_of_the_protocol() -> None:
    for task, kind in itertools.product(TASKS, registry.names("text.filters")):
        module = registry.load("text.filters", kind)
        assert issubclass(module.Params, FilterParams)
        assert isinstance(tasks.load(task), BaseTask)
        assert list(module.drop_reasons.__annotations__) == ["rows", "task", "params", "return"]
