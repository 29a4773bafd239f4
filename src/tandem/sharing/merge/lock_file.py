"""Merge three versions of a dvc.lock file by stage.

An entry records which outputs a command produced from which inputs and params. An entry is valid
only as a whole, so the merge never combines parts of two versions. After the merge, as after any
other change, DVC compares the digests and params in each entry with those of the merged project.

If both sides changed an entry in different ways, only the command and the outputs of our entry
remain. Because the merged entry has no inputs, DVC considers the stage stale, and restores it from
the run cache or executes it. Because the merged entry has outputs, `dvc checkout` and `dvc pull`
work even before the stage has been run.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

from ruamel.yaml.error import YAMLError

from tandem.core import io
from tandem.core.errors import StageError
from tandem.patches import dvc
from tandem.sharing.merge.rule import Choice, choose

ANCHOR = re.compile(r"[:-] [&*]\w")
"""Matches possible YAML anchors and aliases, with which an entry may refer to another entry."""
DATASETS = "datasets"
"""The only top-level key that DVC supports in dvc.lock besides `schema` and `stages`."""

MARKER = "<<<<<<< "
"""The prefix of the line with which Git marks the start of a conflict."""
KEPT = ("cmd", "outs")
"""The keys that remain in an entry that both sides changed in different ways."""
WITHOUT_ENTRIES = "schema: '2.0'\nstages: {}\n"


class LockDamaged(StageError):
    """A dvc.lock file cannot be read.

    The message, such as `is empty`, continues a sentence that starts with the file's path.
    """


@dataclass
class LockFile:
    """The content of a dvc.lock file."""

    texts: dict[str, str] = field(default_factory=dict)
    """Stage → the text of its entry, in the order of the file."""
    values: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Stage → the parsed entry."""
    datasets: Any = None

    @classmethod
    def parse(cls, content: bytes) -> "LockFile":
        """Parse the content of a dvc.lock file.

        Raises:
            LockDamaged: the content is incomplete or invalid, or in the format of DVC 1.
        """
        try:
            text = content.decode()
            if text.startswith(MARKER) or f"\n{MARKER}" in text:
                raise LockDamaged("has merge conflict markers")
            parsed = io.parse_yaml(text)
        except (UnicodeDecodeError, YAMLError, RecursionError) as error:
            raise LockDamaged(f"is damaged ({' '.join(str(error).split())[:80]})") from None
        values = _stages(parsed)
        if not text.endswith("\n"):
            raise LockDamaged("is cut short")
        return cls(_texts(text, values), values, parsed.get(DATASETS))

    def add(self, name: str, text: str, value: Mapping[str, Any]) -> None:
        """Append an entry."""
        self.texts[name], self.values[name] = text, value

    def outs(self, name: str) -> Iterator[tuple[str, str]]:
        """The path and the MD5 of each output that the entry of a stage lists."""
        for out in self.values.get(name, {}).get("outs", ()):
            yield str(out["path"]), str(out.get("md5", ""))

    def text(self) -> str:
        """The text of the file, as DVC writes it."""
        if self.datasets is None:
            return dvc.HEADER + "".join(self.texts.values()) if self.texts else WITHOUT_ENTRIES
        from dvc.utils.serialize._yaml import _dump

        stream = StringIO()
        stages = {name: self.values[name] for name in self.texts}
        _dump({"schema": "2.0", "stages": stages, DATASETS: self.datasets}, stream)
        return stream.getvalue()


def _stages(parsed: Any) -> dict[str, Mapping[str, Any]]:
    """The entries of a parsed dvc.lock file.

    Raises:
        LockDamaged: the content does not follow schema 2.0.
    """
    if parsed is None:
        raise LockDamaged("is empty")
    if isinstance(parsed, dict) and parsed and "schema" not in parsed:
        raise LockDamaged("is in the format of DVC 1, which DVC 3 cannot read")
    stages: Any = parsed.get("stages") if isinstance(parsed, dict) else None
    if (
        not isinstance(stages, dict)
        or parsed.keys() - {"schema", "stages", DATASETS}
        or parsed["schema"] != "2.0"
        or not all(isinstance(name, str) and _is_entry(value) for name, value in stages.items())
    ):
        raise LockDamaged("does not follow schema 2.0")
    return stages


def _is_entry(value: Any) -> bool:
    """Whether a value is an entry: a mapping with `cmd`, and with a path for each output."""
    if not isinstance(value, dict) or "cmd" not in value:
        return False
    outs = value.get("outs", [])
    return isinstance(outs, list) and all(isinstance(o, dict) and "path" in o for o in outs)


def _texts(text: str, values: Mapping[str, Any]) -> dict[str, str]:
    """The text of each entry: copied if DVC formatted the file, else as DVC would format it."""
    starts = [match.start() for match in dvc.ENTRY_START.finditer(text)]
    # ENTRY_START also matches comments, so there may be more matches than entries.
    is_split = dvc.has_dvc_form(text) and len(starts) == len(values)
    if not is_split or ANCHOR.search(text):
        return {name: _text(name, value) for name, value in values.items()}
    texts = [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
    return dict(zip(values, texts, strict=True))


def _text(name: str, value: Any) -> str:
    """The text of an entry as DVC writes it."""
    return dvc.replace_entry("", {name: value}).removeprefix(dvc.HEADER)


@dataclass
class MergedLock:
    """A merged dvc.lock, and the stages whose merged entries differ from ours."""

    lock: LockFile
    theirs: list[str] = field(default_factory=list)
    """Stages whose entry was taken from `theirs`, or was removed in `theirs`."""
    stale: list[str] = field(default_factory=list)
    """Stages whose entry both sides changed in different ways."""
    stale_outs: set[str] = field(default_factory=set)
    """The outputs of the stages in `stale`, according to our or their entry."""


def merge(base: LockFile, ours: LockFile, theirs: LockFile) -> MergedLock:
    """Merge two versions of a dvc.lock file that have a common ancestor.

    Stages keep the order of `ours`. Stages that are only in `theirs` follow, in the order of
    `theirs`.

    Raises:
        StageError: both sides changed the key `datasets`, which belongs to no stage.
    """
    merged = MergedLock(LockFile(datasets=_merged_datasets(base, ours, theirs)))
    for name in dict.fromkeys([*ours.texts, *theirs.texts, *base.texts]):
        choice = _choose_entry(name, base, ours, theirs)
        if choice is Choice.NEITHER:
            merged.stale.append(name)
            merged.stale_outs |= {out for side in (ours, theirs) for out, _ in side.outs(name)}
            if name in ours.values and name in theirs.values:
                value = {key: ours.values[name][key] for key in KEPT if key in ours.values[name]}
                merged.lock.add(name, _text(name, value), value)
            continue
        side = ours if choice is Choice.OURS else theirs
        if choice is Choice.THEIRS:
            merged.theirs.append(name)
        if name in side.texts:
            merged.lock.add(name, side.texts[name], side.values[name])
    return merged


def _choose_entry(name: str, *sides: LockFile) -> Choice:
    """Choose a version of an entry by its text, or by its values if all three texts differ.

    Different versions of DVC may format the same values differently.
    """
    choice = choose(*(side.texts.get(name, "") for side in sides))
    if choice is Choice.NEITHER:
        values = (side.values.get(name) for side in sides)
        choice = choose(*("" if value is None else repr(value) for value in values))
    return choice


def _merged_datasets(base: LockFile, ours: LockFile, theirs: LockFile) -> Any:
    """The value of `datasets` on the side that changed it."""
    choice = choose(*(repr(side.datasets) for side in (base, ours, theirs)))
    if choice is Choice.NEITHER:
        raise StageError(
            "both sides changed the key `datasets` in dvc.lock: keep one side's version of the "
            "file, then run `dvc ds update` again"
        )
    return (ours if choice is Choice.OURS else theirs).datasets
