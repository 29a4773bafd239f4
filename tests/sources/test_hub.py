import csv
from pathlib import Path

import pytest

from tandem.core.errors import DataError, SourceError
from tandem.sources import hub


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A local folder in the hub's form: splits by file name."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "reviews"
    folder.mkdir()
    for split, texts in {"train": ["good", "bad"], "test": ["so so"]}.items():
        with (folder / f"{split}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerows([["sentence", "n"], *([text, 1] for text in texts)])
    return folder


def test_a_local_folder_needs_no_hub(dataset: Path) -> None:
    params = hub.Params(kind="hub", path=str(dataset), split="train", columns={"text": "sentence"})
    assert list(hub.rows(params)) == [{"n": 1, "text": "good"}, {"n": 1, "text": "bad"}]


def test_a_missing_split_is_one_line(dataset: Path) -> None:
    params = hub.Params(kind="hub", path=str(dataset), split="dev")
    with pytest.raises(SourceError, match="dev") as caught:
        list(hub.rows(params))
    assert "\n" not in str(caught.value)


def test_a_missing_column_is_one_line(dataset: Path) -> None:
    params = hub.Params(kind="hub", path=str(dataset), split="test", columns={"text": "sentense"})
    with pytest.raises(DataError, match="Did you mean 'sentence'"):
        list(hub.rows(params))


def test_a_hub_needs_a_revision() -> None:
    with pytest.raises(ValueError, match="needs a revision"):
        hub.Params(kind="hub", path="someone/something", split="train")


def test_no_network_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets.config
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    params = hub.Params(kind="hub", path="someone/nothing-here", split="train", revision="abc")
    with pytest.raises(
        SourceError, match="cannot load the data set someone/nothing-here"
    ) as caught:
        list(hub.rows(params))
    assert "\n" not in str(caught.value)
