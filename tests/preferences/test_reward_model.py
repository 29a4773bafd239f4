import math
import random
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from tandem.core.errors import StageError, UnknownName
from tandem.preferences.pairs import form_pairs
from tandem.preferences.params import ClassContrast, PairFilter
from tandem.preferences.reward_model import RewardModel, preference_loss
from tandem.tasks.generation import GenerationRow


@pytest.fixture(scope="module")
def model(tiny: Path) -> RewardModel:
    torch.manual_seed(1)
    result = RewardModel.initialize(tiny / "encoder", None)
    result.network.eval()
    return result


def test_preference_loss_by_hand() -> None:
    margins = torch.tensor([0.0, math.log(3)])
    # σ(0) = 1/2 and σ(ln 3) = 3/4
    assert preference_loss(margins, 0.0).item() == pytest.approx(
        (math.log(2) + math.log(4 / 3)) / 2
    )
    assert preference_loss(margins, 0.1).item() == pytest.approx(
        (math.log(2) + 0.9 * math.log(4 / 3) + 0.1 * math.log(4)) / 2
    )


def test_loss_of_pairs_follows_from_their_scores(
    model: RewardModel, rated: list[GenerationRow]
) -> None:
    pairs = form_pairs(rated, PairFilter(min_margin=1.0, min_z=3.0), 5, random.Random(1))
    batch = model.collate(model.encode(pairs, 32))
    chosen = torch.tensor(model.score([pair.chosen for pair in pairs]))
    rejected = torch.tensor(model.score([pair.rejected for pair in pairs]))
    with torch.no_grad():
        loss = model.loss(model.network, batch, 0.0)
    assert loss.item() == pytest.approx(preference_loss(chosen - rejected, 0.0).item(), rel=1e-5)


def test_a_saved_model_scores_the_same(
    model: RewardModel, rated: list[GenerationRow], tmp_path: Path
) -> None:
    texts = [row.text for row in rated]
    model.save(tmp_path / "reward")
    assert RewardModel.load(tmp_path / "reward").score(texts) == model.score(texts)
    assert model.score(texts, batch_size=3) == pytest.approx(model.score(texts), abs=1e-5)
    assert model.score([]) == []


def test_a_contrast_initializes_the_head_from_classes(
    tiny: Path, rated: list[GenerationRow], tmp_path: Path
) -> None:
    texts = [row.text for row in rated]
    contrast = ClassContrast(better="LABEL_2", worse="LABEL_0")
    model = RewardModel.initialize(tiny / "encoder", contrast)
    model.network.eval()
    classifier = AutoModelForSequenceClassification.from_pretrained(tiny / "encoder").eval()
    batch = model.tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        logits = classifier(**batch).logits
    assert model.score(texts) == pytest.approx((logits[:, 2] - logits[:, 0]).tolist(), abs=1e-5)
    model.save(tmp_path / "reward")
    assert RewardModel.load(tmp_path / "reward").score(texts) == model.score(texts)


def test_an_unknown_class_is_reported_with_the_known_ones(tiny: Path) -> None:
    with pytest.raises(UnknownName, match="LABEL_2"):
        RewardModel.initialize(tiny / "encoder", ClassContrast(better="LABEL_9", worse="LABEL_0"))


def test_a_missing_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="missing"):
        RewardModel.load(tmp_path / "none")
