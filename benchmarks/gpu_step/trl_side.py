"""TRL's SFTTrainer as its documentation has it; run by the peers' Python."""

import tempfile
from typing import Any

import torch
from datasets import Dataset
from transformers import TrainerCallback
from trl import SFTConfig, SFTTrainer

from benchmarks.gpu_step.work import LEARNING_RATE, Asked, Clock, base_model, documents, lora
from benchmarks.stepping.trl_step import tokenizer


class Ticks(TrainerCallback):
    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        self.clock.tick()


def main() -> None:
    asked, clock = Asked.of_words(), Clock()
    with tempfile.TemporaryDirectory() as output:
        arguments = SFTConfig(
            output_dir=output,
            max_steps=asked.steps,
            per_device_train_batch_size=1,
            max_length=asked.tokens,
            packing=True,
            learning_rate=LEARNING_RATE,
            gradient_checkpointing=asked.checkpointing,
            use_cpu=not torch.cuda.is_available(),
            bf16=True,
            save_strategy="no",
            logging_steps=asked.steps,
            report_to="none",
            disable_tqdm=True,
        )
        SFTTrainer(
            model=base_model(asked),
            args=arguments,
            train_dataset=Dataset.from_dict({"input_ids": documents(asked)}),
            peft_config=None if asked.method == "full" else lora(),
            processing_class=tokenizer(),
            callbacks=[Ticks(clock)],
        ).train()
    clock.report()


if __name__ == "__main__":
    main()
