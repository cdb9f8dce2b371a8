"""How much of a reference a written text has, and in its order: ROUGE-L, and whether the two are equal.

ROUGE-L is Lin's (2004), https://aclanthology.org/W04-1013: the F-measure of the longest common subsequence of words.
On ASCII its values are those of Google's `rouge-score` without stemming, which drops every other script.
"""

import re

WORD = re.compile(r"[^\W_]+")


def rouge_l(reference: str, written: str) -> float:
    """F-measure, 0 to 1; 0 where either has no word."""
    wanted, got = WORD.findall(reference.lower()), WORD.findall(written.lower())
    common = _longest_common(wanted, got)
    if common == 0:
        return 0.0
    precision, recall = common / len(got), common / len(wanted)
    return 2 * precision * recall / (precision + recall)


def exact_match(reference: str, written: str) -> bool:
    """Whether the texts are equal, apart from white space: a run of it counts as one blank, at the ends as none."""
    return reference.split() == written.split()


def _longest_common(one: list[str], other: list[str]) -> int:
    """Length of the longest common subsequence, in memory for one row of the table."""
    lengths = [0] * (len(other) + 1)
    for word in one:
        diagonal = 0
        for place, against in enumerate(other, 1):
            above = lengths[place]
            lengths[place] = diagonal + 1 if word == against else max(above, lengths[place - 1])
            diagonal = above
    return lengths[-1]
