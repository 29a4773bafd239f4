"""Say a text anew by translating it, with the pipeline's own translation models.

Sennrich et al. 2016, "Improving Neural Machine Translation Models with Monolingual Data", section
3: for a translation task the source side is made anew from the target, by a model of the opposite
direction (`augmenting.TASK.model`). For any other task the text goes there (`model`) and back
(`back`). Placeholders and spans go along as placeholders, which these models keep; a text in which
one is lost or doubled stays as it was. Nothing is random.
"""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from tandem.augmentation import AugmentationContext, AugmentationInput, AugmentationParams
from tandem.core.rows import Row
from tandem.core.task import PLACEHOLDER
from tandem.text.protected import FIRST, SENTINEL


class Params(AugmentationParams):
    """Nothing but how many texts are translated at once."""

    batch_size: int = Field(ge=1)


def apply_all(
    drafts: Sequence[AugmentationInput], given: AugmentationContext, params: Params
) -> list[str]:
    """`Low battery`, whose target is `Niedriger Batteriestand` → `Low battery level`.

    Raises:
        ParamsError: a folder of `augmenting.TASK` holds no translation model.
    """
    from tandem.augmentation.common.model_folders import resolve_model_folder  # takes seconds

    def translated(texts: Sequence[str], key: str) -> list[str]:
        from tandem.modeling.families.seq2seq import Model

        folder: Path = resolve_model_folder(given, key, "CopyingMarian")[0]
        rows = [
            Row(id=each.row.id, group=each.row.group, domain=each.row.domain, text=text)
            for each, text in zip(drafts, texts, strict=True)
        ]
        answers = Model.load(folder, given.task).predict(rows, params.batch_size)
        return [str(answer["target"]) for answer in answers]

    if "target" in given.task.text_fields:
        targets = [str(getattr(each.row, "target")) for each in drafts]  # noqa: B009
        names = [{piece: chr(FIRST + n) for n, piece in enumerate(d.pieces)} for d in drafts]
        found = translated(targets, "model")
    else:
        names = [{f"{{p{n}}}": chr(FIRST + n) for n in range(len(d.pieces))} for d in drafts]
        sent = [
            SENTINEL.sub(lambda m: f"{{p{ord(m.group()) - FIRST}}}", each.text) for each in drafts
        ]
        found = translated(translated(sent, "model"), "back")
    return [_hidden(text, own, each) for text, own, each in zip(found, names, drafts, strict=True)]


def _hidden(text: str, names: dict[str, str], draft: AugmentationInput) -> str:
    """`text` with its placeholders hidden by `names`; the draft's own text if they do not match."""
    hidden = PLACEHOLDER.sub(lambda match: names.get(match.group(), match.group()), text)
    whole = sorted(SENTINEL.findall(hidden)) == sorted(SENTINEL.findall(draft.text))
    return hidden if whole and not PLACEHOLDER.search(hidden) else draft.text
