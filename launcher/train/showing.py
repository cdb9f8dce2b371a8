"""What a run came to: stored, and shown at its end."""

import json

from launcher.data.fields import label_names
from launcher.errors import InvalidInput
from launcher.evaluate.outcome import classical_line, classify, completion_metrics, store_metrics, store_predictions
from launcher.evaluate.scores import Scores
from launcher.evaluate.table import BASE, CLASSICAL, TUNED
from launcher.storage.layout import BASE_SCORES, MODEL, tuned_scores
from launcher.train.ready_run import Run


def show_results(run: Run, attempt: int) -> None:
    """Store and print what the scores say, and where everything is."""
    recipe, store, screen, dataset = run.recipe, run.store, run.screen, run.ahead.dataset
    base: Scores = json.loads(store.read(BASE_SCORES))
    tuned: Scores = json.loads(store.read(tuned_scores(attempt)))
    if label_names(recipe.task) is None:
        for name, scores in ((BASE, base), (TUNED, tuned)):
            metrics = completion_metrics(run.ready.judged.test.rows, scores)
            screen.line(f"{name:<9} loss {metrics.loss:.4f}, perplexity {metrics.perplexity:.2f}")
    else:
        screen.wait("fitting TF-IDF and logistic regression")
        results = classify(recipe, dataset, base, tuned)
        if recipe.evaluation.classical:
            try:
                results[CLASSICAL] = classical_line(recipe, dataset)
            except InvalidInput as error:  # the model is trained: what cannot be compared is told, not lost
                screen.line(str(error))
        store_metrics(store, results)
        store_predictions(store, recipe, dataset, base, tuned)
        screen.table(results)
    screen.line(f"run       {store.location}")
    screen.line(f"model     {store.location}/{MODEL}")
    screen.line(f"ask it    launcher predict {store.location} TEXT")
