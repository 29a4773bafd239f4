"""Paraphrase a text by translating it with the pipeline's own translation models.

For a translation task, the source text is generated from the target by a model that translates in
the opposite direction, `augmentation_models.TASK.forward` (Sennrich et al. 2016, "Improving Neural
Machine Translation Models with Monolingual Data", section 3). For any other task, the text is
translated by the `forward` model and back by the `backward` model. The models copy placeholders to
their output, so each span in their input is replaced with a placeholder. If the output lacks or
repeats a placeholder, the text is left unchanged. The augmentation is deterministic.
"""

from collections.abc import Sequence

from pydantic import Field

from tandem.augmentation import AugmentationContext, AugmentationInput, AugmentationParams
from tandem.core.rows import Row
from tandem.core.task import PLACEHOLDER
from tandem.text.protected import SENTINEL, piece_index, sentinel


class Params(AugmentationParams):
    """The batch size is the only parameter."""

    batch_size: int = Field(ge=1)
    """Number of texts per batch."""


def apply_all(
    inputs: Sequence[AugmentationInput], context: AugmentationContext, params: Params
) -> list[str]:
    """Paraphrase: `Low battery` (target: `Niedriger Batteriestand`) → `Low battery level`.

    Raises:
        ParamsError: a model folder that `context` names contains no translation model.
    """
    from tandem.augmentation.common.model_folders import resolve_model_folder  # takes seconds

    def translate(texts: Sequence[str], key: str) -> list[str]:
        from tandem.modeling.families.seq2seq import Model

        folder, _ = resolve_model_folder(context, key, Model.auto.__name__)
        rows = [
            Row(id=item.row.id, group=item.row.group, domain=item.row.domain, text=text)
            for item, text in zip(inputs, texts, strict=True)
        ]
        answers = Model.load(folder, context.task).predict(rows, params.batch_size)
        return [str(answer["target"]) for answer in answers]

    if "target" in context.task.text_fields:
        targets = [str(getattr(item.row, "target")) for item in inputs]  # noqa: B009
        # The target has the same placeholders as the text.
        names = [{piece: sentinel(i) for i, piece in enumerate(item.pieces)} for item in inputs]
        translations = translate(targets, "forward")
    else:
        names = [{f"{{p{i}}}": sentinel(i) for i in range(len(item.pieces))} for item in inputs]
        texts = [
            SENTINEL.sub(lambda match: f"{{p{piece_index(match.group())}}}", item.text)
            for item in inputs
        ]
        translations = translate(translate(texts, "forward"), "backward")
    return [_masked(*args) for args in zip(translations, names, inputs, strict=True)]


def _masked(text: str, sentinels: dict[str, str], item: AugmentationInput) -> str:
    """Replace the placeholders in `text` with their `sentinels`.

    Returns the text of `item` if `text` lacks or repeats a placeholder or contains an unknown one.
    """
    masked = PLACEHOLDER.sub(lambda match: sentinels.get(match.group(), match.group()), text)
    is_complete = sorted(SENTINEL.findall(masked)) == sorted(SENTINEL.findall(item.text))
    return masked if is_complete and not PLACEHOLDER.search(masked) else item.text
