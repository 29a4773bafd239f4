"""dvc.lock is merged by stage, and written in the format of DVC."""

import itertools
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sharing.merge.small import ROOT, entry, lock_text

from tandem.core import io
from tandem.core.errors import StageError
from tandem.sharing.merge import lock_file, versions
from tandem.sharing.merge.lock_file import LockDamaged, LockFile

LOCK = (ROOT / "dvc.lock").read_text(encoding="utf-8")
STAGES = ("fetch", "clean", "train", "report")
BASE = dict.fromkeys(STAGES, "base")
STATES: dict[str, tuple[str, str]] = {
    "none": ("base", "base"),
    "ours": ("ours", "base"),
    "theirs": ("base", "theirs"),
    "both": ("ours", "theirs"),
}
"""Which sides changed a stage → the stage's version on our side and on theirs."""
EXPECTED = {"none": "base", "ours": "ours", "theirs": "theirs"}


def merged(base: str, ours: str, theirs: str) -> lock_file.MergedLock:
    contents = [text.encode() for text in (base, ours, theirs)]
    return versions.merge_contents("dvc.lock", *contents)


@cache
def parsed(text: str) -> LockFile:
    return LockFile.parse(text.encode())


def without_inputs(stage: str, version: str) -> dict[str, Any]:
    return {key: value for key, value in entry(stage, version).items() if key in ("cmd", "outs")}


def test_all_256_combinations_of_four_stages_merge_by_stage() -> None:
    for states in itertools.product(STATES, repeat=len(STAGES)):
        state = dict(zip(STAGES, states, strict=True))
        ours, theirs = (
            parsed(lock_text({stage: STATES[each][side] for stage, each in state.items()}))
            for side in (0, 1)
        )
        done = lock_file.merge(parsed(lock_text(BASE)), ours, theirs)
        both = [stage for stage, each in state.items() if each == "both"]
        assert done.stale == both
        assert done.theirs == [stage for stage, each in state.items() if each == "theirs"]
        assert io.parse_yaml(done.lock.text())["stages"] == {
            stage: entry(stage, EXPECTED[each])
            if each in EXPECTED
            else without_inputs(stage, "ours")
            for stage, each in state.items()
        }
        if not both:  # without stale entries, the text of each entry is as DVC wrote it
            expected = {stage: EXPECTED[each] for stage, each in state.items()}
            assert done.lock.text() == lock_text(expected)


VERSIONS = st.dictionaries(st.sampled_from("abcde"), st.sampled_from("123"))


@given(VERSIONS, VERSIONS, VERSIONS)
def test_an_entry_is_never_mixed(
    base: dict[str, str], ours: dict[str, str], theirs: dict[str, str]
) -> None:
    done = merged(lock_text(base), lock_text(ours), lock_text(theirs))
    stages = io.parse_yaml(done.lock.text())["stages"]
    for name in {*base, *ours, *theirs}:
        sides = [side.get(name) for side in (base, ours, theirs)]
        was, mine, other = sides
        if mine == other or other == was:
            expected = mine and entry(name, mine)
        elif mine == was:
            expected = other and entry(name, other)
        else:
            expected = without_inputs(name, mine) if mine and other else None
        assert stages.get(name) == expected
    assert done.lock.text() == LockFile.parse(done.lock.text().encode()).text()


def test_a_lock_merged_with_itself_keeps_its_bytes() -> None:
    done = merged(LOCK, LOCK, LOCK)
    assert done.lock.text() == LOCK and not done.stale and not done.theirs


def test_a_change_of_formatting_is_not_a_change() -> None:
    """Another version of DVC, an editor or Git may have written the same values differently."""
    base, theirs = lock_text(BASE), lock_text(BASE | {"train": "theirs"})
    forms = {
        "quoted": base.replace("cmd: tandem train", 'cmd: "tandem train"'),
        "number": base.replace("0.1", "0.10"),
        "commented": base.replace("\n  train:", "\n  # mine\n  train:"),
        "crlf": base.replace("\n", "\r\n"),
        "json": f"{json.dumps(io.parse_yaml(base))}\n",
    }
    for form in forms.values():
        assert form != base
        done = merged(base, form, theirs)
        assert done.theirs == ["train"] and not done.stale
        assert io.parse_yaml(done.lock.text()) == io.parse_yaml(theirs)


def test_entries_that_share_an_anchor_are_written_without_it() -> None:
    text = lock_text(BASE).replace("outs:\n", "outs: &shared\n", 1)
    start = text.index("    outs:\n", text.index("  clean:"))
    end = text.index("  train:")
    text = f"{text[:start]}    outs: *shared\n{text[end:]}"
    done = merged(text, text, text)
    assert io.parse_yaml(done.lock.text()) == io.parse_yaml(text)
    assert "*shared" not in done.lock.text()


def test_added_and_removed_stages() -> None:
    base = lock_text({"a": "1", "b": "1", "c": "1"})
    ours = lock_text({"a": "1", "c": "2", "new": "1"})  # b was removed
    theirs = lock_text({"b": "1", "c": "1", "other": "1"})  # a was removed
    done = merged(base, ours, theirs)
    assert list(done.lock.values) == ["c", "new", "other"]
    assert done.theirs == ["a", "other"] and not done.stale


def test_a_stage_that_one_side_changed_and_the_other_removed_has_no_entry() -> None:
    base, changed = lock_text({"a": "1", "b": "1"}), lock_text({"a": "1", "b": "2"})
    removed = lock_text({"a": "1"})
    for ours, theirs in ((changed, removed), (removed, changed)):
        done = merged(base, ours, theirs)
        assert list(done.lock.values) == ["a"] and done.stale == ["b"]


def test_a_stage_that_both_sides_added() -> None:
    base, ours, theirs = (
        lock_text({"a": "1"} | new) for new in ({}, {"b": "1", "c": "1"}, {"b": "1", "c": "2"})
    )
    done = merged(base, ours, theirs)
    assert done.stale == ["c"] and io.parse_yaml(done.lock.text())["stages"]["b"] == entry("b", "1")


def test_without_a_readable_base_only_equal_entries_are_kept_whole() -> None:
    ours, theirs = lock_text(BASE), lock_text(BASE | {"train": "theirs"})
    for base in ("", "{", lock_text(BASE)[:99]):
        assert merged(base, ours, theirs).stale == ["train"]


def test_a_lock_without_entries_can_be_read_by_dvc(tmp_path: Path) -> None:
    from dvc.dvcfile import Lockfile
    from dvc.repo import Repo

    text = merged(lock_text({"a": "1"}), lock_text({"a": "2"}), lock_text({})).lock.text()
    assert text == "schema: '2.0'\nstages: {}\n"
    (tmp_path / "dvc.lock").write_text(text)
    repo = Repo.init(str(tmp_path), no_scm=True)
    assert Lockfile(repo, str(tmp_path / "dvc.lock")).load()["stages"] == {}


DATASETS = "datasets:\n- name: films\n  rev: '%s'\n"


def test_datasets_are_taken_from_the_side_that_changed_them() -> None:
    base, ours = lock_text(BASE) + DATASETS % 1, lock_text(BASE | {"train": "x"}) + DATASETS % 1
    theirs = lock_text(BASE) + DATASETS % 2
    content = io.parse_yaml(merged(base, ours, theirs).lock.text())
    assert content["datasets"] == [{"name": "films", "rev": "2"}]
    assert content["stages"] == {stage: entry(stage, "base") for stage in STAGES} | {
        "train": entry("train", "x")
    }
    with pytest.raises(StageError, match=r"both sides changed the key `datasets` in dvc\.lock"):
        merged(base, ours.replace("rev: '1'", "rev: '3'"), theirs)


DAMAGED = {
    "has merge conflict markers": f"<<<<<<< a\n{LOCK}",
    "is cut short": LOCK[:-1],
    "is damaged": LOCK[: LOCK.index("md5: ", 3000) + 4] + ": :\n",
    "is empty": "\n",
    "is in the format of DVC 1": "train:\n  cmd: tandem train\n",
    "does not follow schema 2.0": "schema: '3.0'\nstages: {}\n",
}


@pytest.mark.parametrize("problem", DAMAGED)
def test_a_damaged_side_is_reported_in_one_line(problem: str) -> None:
    with pytest.raises(LockDamaged, match=problem):
        LockFile.parse(DAMAGED[problem].encode())
    with pytest.raises(StageError) as error:
        merged(LOCK, LOCK, DAMAGED[problem])
    message = str(error.value)
    assert message.startswith(f"their version of dvc.lock {problem}") and "\n" not in message
    assert "git checkout --ours dvc.lock" in message
    with pytest.raises(StageError, match=r"our version of dvc\.lock .* --theirs dvc\.lock"):
        merged(LOCK, DAMAGED[problem], LOCK)


@pytest.mark.parametrize(
    "text",
    [
        LOCK + LOCK.partition("stages:\n")[2],  # each entry twice
        "schema: '2.0'\nstages: [1]\n",
        "schema: '2.0'\nstages: {1: {cmd: a}}\n",
        "schema: '2.0'\nstages: {a: {outs: []}}\n",
        "schema: '2.0'\nstages: {a: {cmd: b, outs: {}}}\n",
        "schema: '2.0'\nmine: 1\nstages: {}\n",
        "[]\n",
        "text\n",
    ],
)
def test_what_dvc_would_not_write_is_damaged(text: str) -> None:
    with pytest.raises(LockDamaged):
        LockFile.parse(text.encode())


def test_a_file_that_is_not_text_is_damaged() -> None:
    with pytest.raises(LockDamaged, match="is damaged"):
        LockFile.parse(b"\xff\xfe")
