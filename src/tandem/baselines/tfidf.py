"""Tf-idf: a linear SVM on the tf-idf weights of words, word pairs and character n-grams.

If the rows have spans, a second SVM tags each word, given the word and its neighbors.
"""

from collections.abc import Sequence
from typing import Any

from tandem.baselines import BaselineContext
from tandem.baselines.common import word_tagger
from tandem.core.determinism import derived_seed
from tandem.core.task import BaseTask

LABEL = "linear SVM over words and character n-grams"


def predict(
    task: BaseTask, train: Sequence[Any], test: Sequence[Any], context: BaselineContext
) -> list[dict[str, Any]]:
    """Predict a label per row, and spans if the task has them."""
    seed = derived_seed(context.runtime.seed, "tfidf", task.name)
    predictions: list[dict[str, Any]] = [{"label": label} for label in _labels(train, test, seed)]
    if hasattr(test[0], "spans"):
        for prediction, spans in zip(predictions, word_tagger.tag(train, test, seed), strict=True):
            prediction["spans"] = spans
    return predictions


def _labels(train: Sequence[Any], test: Sequence[Any], seed: int) -> list[str]:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.svm import LinearSVC

    labels = [row.label for row in train]
    if len(set(labels)) == 1:  # a classifier needs at least two labels
        return [labels[0]] * len(test)
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    # C and the class weights were tuned on the validation rows of the sentiment task.
    classifier = LinearSVC(C=0.3, class_weight="balanced", random_state=seed)
    model = make_pipeline(make_union(words, characters), classifier)
    model.fit([row.text for row in train], labels)
    return [str(label) for label in model.predict([row.text for row in test])]
