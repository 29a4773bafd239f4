import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tandem import cli
from tandem.core import paths, wording

SCRATCH = {
    "kind": "scratch",
    "d_model": 16,
    "ffn_dim": 32,
    "attention_heads": 2,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "max_position_embeddings": 64,
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_fetch_model(weights: dict[str, Any], task: str = "sentiment") -> int:
    content = {
        "runtime": {"seed": 1, "threads": 1, "isa": "avx2", "device": "cpu"},
        "tasks": [task],
        "methods": [],
        "preferences": {},
        task: {"fetch_model": {"weights": weights}},
    }
    with Path("params.yaml").open("w") as file:
        YAML().dump(content, file)
    return cli.main(["fetch-model", task])


def digests(folder: Path) -> dict[str, str]:
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(folder.iterdir())}


@pytest.fixture
def own(project: Path) -> Path:
    """A small encoder from a user, with other files that must not be copied."""
    from transformers import BertConfig, BertModel

    folder = project / "own"
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = BertConfig(vocab_size=40, intermediate_size=16, **sizes)
    BertModel(config).save_pretrained(folder)
    path = folder / "config.json"
    unsafe = json.loads(path.read_text()) | {
        "_name_or_path": "/elsewhere",
        "auto_map": {"A": "b.C"},
    }
    path.write_text(json.dumps(unsafe))
    for name in ("pytorch_model.bin", "modeling_own.py", "training_args.pkl"):
        (folder / name).write_text("code")
    return folder


def test_a_local_folder_is_copied_without_code_and_pickles(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from transformers import AutoModel

    assert run_fetch_model({"kind": "folder", "path": "own"}) == 0
    size = wording.file_size((own / "model.safetensors").stat().st_size)
    assert capsys.readouterr().out == (
        f"{size} of weights; written to models/sentiment/pretrained\n"
    )
    copied = paths.model("sentiment", "pretrained")
    assert sorted(digests(copied)) == ["README.md", "config.json", "model.safetensors"]
    assert digests(copied)["model.safetensors"] == digests(own)["model.safetensors"]
    config = json.loads((copied / "config.json").read_text())
    assert "_name_or_path" not in config
    assert "auto_map" not in config
    assert AutoModel.from_pretrained(copied).config.hidden_size == 16


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"kind": "folder", "path": "nowhere"}, "nowhere is not a folder"),
        ({"kind": "folder", "path": "own", "sha256": "0" * 64}, "expected SHA-256 000"),
        ({"kind": "folder", "path": "empty"}, "empty contains no config.json"),
        ({"kind": "hub", "path": "a/b"}, "weights.revision is missing"),
        (SCRATCH | {"d_modle": 3}, "unknown key sentiment.fetch_model.weights.d_modle"),
    ],
)
def test_user_errors_are_reported_in_one_line(
    own: Path, capsys: pytest.CaptureFixture[str], weights: dict[str, Any], message: str
) -> None:
    Path("empty").mkdir()
    assert run_fetch_model(weights) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not Path("models").exists() or not list(Path("models").rglob("*.json"))


def test_a_hub_that_cannot_be_reached_is_an_error(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert run_fetch_model({"kind": "hub", "path": "someone/nothing-here", "revision": "abc"}) == 2
    error = capsys.readouterr().err
    assert "cannot fetch the model someone/nothing-here" in error
    assert error.count("\n") == 1


def test_scratch_writes_only_a_shape(project: Path) -> None:
    from transformers import MarianConfig, MarianMTModel

    assert run_fetch_model(SCRATCH, "translation") == 0
    folder = paths.model("translation", "pretrained")
    assert sorted(digests(folder)) == ["README.md", "config.json"]
    config = MarianConfig.from_pretrained(
        folder, vocab_size=50, decoder_vocab_size=50, pad_token_id=0
    )
    model = MarianMTModel(config)
    assert (config.d_model, config.encoder_layers, config.decoder_layers) == (16, 1, 2)
    assert model.lm_head.weight is model.get_input_embeddings().weight


def test_the_pinned_encoder_loads_and_a_second_run_gives_the_same_bytes(project: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    default = YAML(typ="safe").load((Path(__file__).parents[2] / "params.yaml").read_text())
    weights = default["sentiment"]["fetch_model"]["weights"]
    assert run_fetch_model(weights) == 0
    folder = paths.model("sentiment", "pretrained")
    before = digests(folder)
    assert before["model.safetensors"].startswith("53aa5117")
    assert run_fetch_model(weights) == 0
    assert digests(folder) == before
    model = AutoModel.from_pretrained(folder)
    ids = AutoTokenizer.from_pretrained(folder)("turn on the light", return_tensors="pt")
    assert model(**ids).last_hidden_state.shape == (1, 6, 384)
