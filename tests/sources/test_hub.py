import csv
from pathlib import Path

import pytest

from tandem.core.errors import DataError, SourceError
from tandem.sources import hub


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A local folder in the layout of a Hub dataset, with one file per split."""
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


def test_a_missing_split_is_an_error(dataset: Path) -> None:
    params = hub.Params(kind="hub", path=str(dataset), split="dev")
    with pytest.raises(SourceError, match="dev") as caught:
        list(hub.rows(params))
    assert "\n" not in str(caught.value)


def test_a_missing_column_is_an_error(dataset: Path) -> None:
    params = hub.Params(kind="hub", path=str(dataset), split="test", columns={"text": "sentense"})
    with pytest.raises(DataError, match="Did you mean 'sentence'"):
        list(hub.rows(params))


def test_a_hub_needs_a_revision() -> None:
    with pytest.raises(ValueError, match="needs a revision"):
        hub.Params(kind="hub", path="someone/something", split="train")


def test_no_network_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets.config
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    params = hub.Params(kind="hub", path="someone/nothing-here", split="train", revision="abc")
    with pytest.raises(SourceError, match="cannot load the dataset someone/nothing-here") as caught:
        list(hub.rows(params))
    assert "\n" not in str(caught.value)


def write_card(folder: Path, split: str, pattern: str) -> None:
    """Write a dataset card that names the files of a split."""
    files = f"{{split: {split}, path: {pattern!r}}}"
    card = f"---\nconfigs:\n- config_name: default\n  data_files: [{files}]\n---\n"
    (folder / "README.md").write_text(card)


@pytest.mark.parametrize(
    "files",
    ["../secret.csv", "/etc/*", "https://example.org/a.csv", "hf://datasets/a/b/c.csv",
     "zip://a.csv::b.zip", "train/../../secret.csv"],
)  # fmt: skip
def test_a_card_that_names_files_outside_is_an_error(dataset: Path, files: str) -> None:
    (dataset.parent / "secret.csv").write_text("sentence,n\nsecret,1\n")
    write_card(dataset, "train", files)
    params = hub.Params(kind="hub", path=str(dataset), split="train")
    with pytest.raises(DataError, match="which is outside the folder") as caught:
        list(hub.rows(params))
    assert "\n" not in str(caught.value)


def test_a_card_may_name_files_in_its_folder(dataset: Path) -> None:
    write_card(dataset, "every", "*.csv")
    rows = list(hub.rows(hub.Params(kind="hub", path=str(dataset), split="every")))
    assert len(rows) == 3


def test_a_link_out_of_a_dataset_is_an_error(dataset: Path) -> None:
    (dataset.parent / "secret.csv").write_text("sentence,n\nsecret,1\n")
    (dataset / "train.csv").unlink()
    (dataset / "train.csv").symlink_to(dataset.parent / "secret.csv")
    with pytest.raises(DataError, match="outside of the folder"):
        list(hub.rows(hub.Params(kind="hub", path=str(dataset), split="train")))


def test_a_script_or_a_pickle_of_a_dataset_never_runs(dataset: Path) -> None:
    canary = dataset.parent / "executed"
    (dataset / "reviews.py").write_text(f"open({str(canary)!r}, 'w')")
    for file in dataset.glob("*.csv"):
        file.unlink()
    (dataset / "train.pkl").write_bytes(b"cos\nsystem\n(S'touch executed'\ntR.")
    with pytest.raises(SourceError, match="cannot load the dataset") as caught:
        list(hub.rows(hub.Params(kind="hub", path=str(dataset), split="train")))
    assert "\n" not in str(caught.value) and not canary.exists()
