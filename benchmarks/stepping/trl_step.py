"""The median step of TRL's SFTTrainer, in seconds; run by the peers' Python: CASE STEPS BASE FOLDER."""

import sys
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import TrainerCallback
from trl import SFTConfig, SFTTrainer

from benchmarks.stepping.work import BATCH, LEARNING_RATE, MASKED, TOKENS, base, lora, median_step, rows


class Clock(TrainerCallback):
    def __init__(self) -> None:
        self.times: list[float] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        self.times.append(time.perf_counter())


def main() -> None:
    case, steps, folder, output = sys.argv[1:]
    torch.set_num_threads(2)
    clock, found = Clock(), rows(Path(folder))
    arguments = SFTConfig(
        output_dir=output,
        max_steps=int(steps),
        per_device_train_batch_size=BATCH,
        max_length=TOKENS,
        learning_rate=LEARNING_RATE,
        completion_only_loss=True,
        gradient_checkpointing=False,
        use_cpu=True,
        bf16=False,
        save_strategy="no",
        logging_steps=int(steps),
        report_to="none",
        disable_tqdm=True,
    )
    data = [{"input_ids": ids, "completion_mask": [int(each != MASKED) for each in labels]} for ids, labels in found]
    SFTTrainer(
        model=base(case, Path(folder)),
        args=arguments,
        train_dataset=Dataset.from_list(data),
        peft_config=None if case == "full" else lora(),
        processing_class=tokenizer(),
        callbacks=[clock],
    ).train()
    print("median step", median_step(clock.times))


def tokenizer() -> Any:
    """SFTTrainer asks for one, though the rows are token ids already."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"<pad>": 0, "<eos>": 1}, unk_token="<pad>"))
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="<eos>")


if __name__ == "__main__":
    main()
