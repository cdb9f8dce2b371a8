"""Runs that are killed once and started again, and checkpoints that are damaged: the launcher beside TRL.

Each kill is a run of its own: SIGKILL to all of its processes, most of the kills shortly after a save has begun; then
the same command again. Each damage is done to the newest complete checkpoint of a run that was killed. A side ends
with its own undisturbed run's weights, bit for bit, or elsewhere, or its start fails. TRL needs another environment,
as `benchmarks.loader` tells.

    .venv/bin/python -m benchmarks.killed --peers-python PEERS/bin/python [--aimed 12 --others 8]
"""

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from benchmarks.killing.launcher_side import Launcher, write_recipe
from benchmarks.killing.side import ROWS, SAVE_STEPS, STEPS, Moment, Side, copied, judge, moments
from benchmarks.killing.trl_side import Trl

NEWS = "data/financial-phrasebank/Sentences_AllAgree.txt"
WIDE = {"hidden_size": 512, "intermediate_size": 1376, "num_hidden_layers": 2, "num_attention_heads": 8}
"""8 million weights: what is saved is about 95 MB, with both moments."""
DAMAGED_AFTER = Moment(save=7, share=0.9, aimed=False)


def make_model(folder: Path, shared: Path) -> None:
    """A Llama with random weights and the stories tokenizer."""
    torch.manual_seed(0)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(shared / "models/stories260k")
    config = LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=256, **WIDE)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def undisturbed(side: Side, folder: Path) -> tuple[bytes, float]:
    """Its weights, and the seconds between two saves in a run to the end; a second run says whether it repeats."""
    first = side.run(folder / "undisturbed")
    assert first.code == 0, first.said
    start = time.monotonic()
    again = side.run(folder / "again")
    assert again.code == 0, again.said
    seconds = time.monotonic() - start
    weights = side.weights(folder / "undisturbed")
    print(
        f"{side.name}: {seconds:.1f} s undisturbed; again: {same(side.weights(folder / 'again') == weights)}",
        flush=True,
    )
    return weights, seconds / (STEPS / SAVE_STEPS) / 2  # half of it is the start


def same(equal: bool) -> str:
    return "bit-identical" if equal else "other weights"


def kills(side: Side, folder: Path, weights: bytes, interval: float, plan: Sequence[Moment]) -> None:
    counts = {True: Counter[str](), False: Counter[str]()}
    for number, moment in enumerate(plan):
        place = folder / f"kill-{number}"
        side.killed(place, moment, interval)
        verdict = judge(side, place, weights)
        counts[moment.aimed][verdict.how] += 1
        kind = "aimed" if moment.aimed else "other"
        after = f"{moment.seconds(interval) * 1e3:.0f} ms after save {moment.save} began"
        print(f"  {kind}  {after:<34} {verdict.how:<10} {verdict.said[:150]}", flush=True)
    for aimed, name in ((True, "aimed at a save"), (False, "others")):
        told = ", ".join(f"{counts[aimed][how]} {how}" for how in ("same", "elsewhere", "crashed"))
        print(f"{side.name}, {name}: {told}", flush=True)


def damages(side: Side, folder: Path, weights: bytes, interval: float) -> None:
    side.killed(folder / "to-damage", DAMAGED_AFTER, interval)
    for number, (name, damage) in enumerate(side.damages):
        place = copied(folder / "to-damage", folder / f"damage-{number}")
        damage(side.newest(place))
        verdict = judge(side, place, weights)
        print(f"  {name:<36} {verdict.how:<10} {verdict.said[:200]}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--peers-python", type=Path, help="Python of the peers' environment; without it TRL is left out"
    )
    parser.add_argument("--aimed", type=int, default=12)
    parser.add_argument("--others", type=int, default=8)
    parser.add_argument("--only", nargs="+", choices=("kills", "damages"), default=("kills", "damages"))
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="folder of real data and models")
    chosen = parser.parse_args()
    shared = chosen.shared.absolute()
    with tempfile.TemporaryDirectory(prefix="ll-bench-") as name:
        folder = Path(name)
        make_model(folder / "model", shared)
        lines = (shared / NEWS).read_text(encoding="latin-1").splitlines()[:ROWS]
        rows = folder / "rows.jsonl"
        rows.write_text("".join(json.dumps({"text": line.rpartition("@")[0]}) + "\n" for line in lines))
        write_recipe(folder / "killed.yaml", folder / "model", rows)
        sides: list[Side] = [Launcher(folder / "killed.yaml", shared)]
        if chosen.peers_python is not None:
            sides.append(Trl(chosen.peers_python.absolute(), folder / "model", rows, torch.get_num_threads()))
        plan = moments(chosen.aimed, chosen.others)
        for side in sides:
            place = folder / side.name.replace(" ", "-")
            place.mkdir()
            weights, interval = undisturbed(side, place)
            if "kills" in chosen.only:
                kills(side, place, weights, interval, plan)
            if "damages" in chosen.only:
                damages(side, place, weights, interval)


if __name__ == "__main__":
    main()
