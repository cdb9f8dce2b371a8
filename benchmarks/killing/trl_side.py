"""TRL's SFTTrainer, started again with `resume_from_checkpoint=True` where there is a checkpoint."""

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.killing.side import (
    BATCH,
    LENGTH,
    RATE,
    SAVE_STEPS,
    SEED,
    STEPS,
    Damage,
    Ended,
    Moment,
    cut,
    deleted,
    emptied,
    flipped,
)

TRAINING = Path(__file__).with_name("trl_training.py")
"""In the peers' environment."""
WEIGHTS, OPTIMIZER = "model.safetensors", "optimizer.pt"


@dataclass(frozen=True)
class Trl:
    python: Path
    model: Path
    rows: Path
    threads: int
    name: str = "TRL SFTTrainer"
    damages: tuple[Damage, ...] = (
        flipped(WEIGHTS),
        cut(WEIGHTS),
        emptied(WEIGHTS),
        deleted(WEIGHTS),
        deleted(OPTIMIZER),
        cut(OPTIMIZER),
        deleted("scheduler.pt"),
        deleted("rng_state.pth"),
        cut("trainer_state.json"),
    )

    def run(self, folder: Path) -> Ended:
        with self._started(folder) as process:
            _, said = process.communicate()
        return Ended(process.returncode, said.strip().splitlines()[-1] if said.strip() else "")

    def killed(self, folder: Path, moment: Moment, interval: float) -> None:
        with self._started(folder) as process:
            begun = folder / f"checkpoint-{moment.save * SAVE_STEPS}"
            while not begun.is_dir():
                assert process.poll() is None, "ended before it was killed"
                time.sleep(0.001)
            time.sleep(moment.seconds(interval))
            process.kill()
            process.communicate()

    def newest(self, folder: Path) -> Path:
        return max(folder.glob("checkpoint-*"), key=lambda each: int(each.name.rpartition("-")[2]))

    def weights(self, folder: Path) -> bytes:
        return (folder / "model" / WEIGHTS).read_bytes()

    def _started(self, folder: Path) -> subprocess.Popen[str]:
        numbers = map(str, (STEPS, SAVE_STEPS, LENGTH, BATCH, RATE, SEED))
        return subprocess.Popen(
            [self.python, TRAINING, self.model, self.rows, folder, *numbers],
            env={"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(self.threads), "HOME": str(self.rows.parent)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
