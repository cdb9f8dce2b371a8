"""TRL's SFTTrainer to its first step, told with the moment; run by the peers' Python: MODEL ROWS.jsonl BATCH FOLDER."""

import sys
import time
from typing import Any

from datasets import load_dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import SFTConfig, SFTTrainer


class Tell(TrainerCallback):
    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        print("first step", time.time(), flush=True)


def main() -> None:
    model, rows, batch, folder = sys.argv[1:]
    arguments = SFTConfig(
        output_dir=folder,
        max_steps=1,
        per_device_train_batch_size=int(batch),
        max_length=128,
        seed=1,
        use_cpu=True,
        bf16=False,
        save_strategy="no",
        report_to="none",
    )
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(model),
        args=arguments,
        train_dataset=load_dataset("json", data_files=rows)["train"],
        processing_class=AutoTokenizer.from_pretrained(model),
        peft_config=LoraConfig(task_type="CAUSAL_LM", r=16, lora_alpha=32, target_modules="all-linear"),
        callbacks=[Tell()],
    )
    trainer.train()


if __name__ == "__main__":
    main()
