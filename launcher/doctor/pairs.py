"""Who meets whom, so that all machines are tried at once and none by two others."""

from collections.abc import Iterator

MOST_ROUNDS = 12
"""Partners of a machine at the most: enough to tell a slow one from one that met slow ones."""


def rounds(machines: int, most: int = MOST_ROUNDS) -> Iterator[dict[int, int]]:
    """Partner by machine, of every round of a tournament; of an odd number, one machine rests in each round.

    The circle method: one place stays, the others move on (https://en.wikipedia.org/wiki/Round-robin_tournament).
    """
    places = machines + machines % 2
    for turn in range(min(most, places - 1)):
        circle = [0, *((each + turn) % (places - 1) + 1 for each in range(places - 1))]
        pairs = zip(circle[: places // 2], reversed(circle[places // 2 :]), strict=True)
        met = {one: other for a, b in pairs for one, other in ((a, b), (b, a))}
        yield {one: other for one, other in met.items() if max(one, other) < machines}
