"""The line to beat: TF-IDF and logistic regression."""

from collections.abc import Sequence

from launcher.errors import InvalidInput


def classical_predictions(
    train_texts: Sequence[str], train_labels: Sequence[str], test_texts: Sequence[str]
) -> list[str]:
    """Labels of the test texts by logistic regression over TF-IDF of words and pairs of words.

    Raises:
        InvalidInput: the training rows have no words, or fewer than two labels.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    pipeline = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=10, max_iter=1000))
    try:
        pipeline.fit(train_texts, train_labels)
    except ValueError as error:
        cause = str(error).splitlines()[0]
        raise InvalidInput(f"TF-IDF + logistic regression: {cause}; set evaluation.classical to false") from error
    labels: list[str] = pipeline.predict(test_texts).tolist()
    return labels
