"""Tf-idf: a linear support vector machine over words, pairs of words and pieces of words.

Where rows have spans, a second one tags each word by itself and its neighbours.
"""

from collections.abc import Sequence
from typing import Any

from tandem.baselines import BaselineContext
from tandem.baselines.common import word_tagger
from tandem.core.determinism import derived_seed
from tandem.core.task import BaseTask

LABEL = "linear SVM over words and character n-grams"


def predict(
    task: BaseTask, train: Sequence[Any], test: Sequence[Any], settings: BaselineContext
) -> list[dict[str, Any]]:
    """A label a row, and spans where the task has any."""
    seed = derived_seed(settings.runtime.seed, "tfidf", task.name)
    answers: list[dict[str, Any]] = [{"label": label} for label in _labels(train, test, seed)]
    if hasattr(test[0], "spans"):
        for answer, spans in zip(answers, word_tagger.tag(train, test, seed), strict=True):
            answer["spans"] = spans
    return answers


def _labels(train: Sequence[Any], test: Sequence[Any], seed: int) -> list[str]:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.svm import LinearSVC

    truths = [row.label for row in train]
    if len(set(truths)) == 1:  # nothing to tell apart
        return [truths[0]] * len(test)
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    pieces = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    # C and the classes' weights were chosen on validation rows of sentiment.
    machine = LinearSVC(C=0.3, class_weight="balanced", random_state=seed)
    model = make_pipeline(make_union(words, pieces), machine)
    model.fit([row.text for row in train], truths)
    return [str(label) for label in model.predict([row.text for row in test])]
