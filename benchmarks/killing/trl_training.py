"""TRL's SFTTrainer as its documentation has it; run by the peers' Python: MODEL ROWS OUTPUT."""

import sys
from pathlib import Path

from datasets import load_dataset
from trl import SFTConfig, SFTTrainer

STEPS, SAVE_STEPS, LENGTH, BATCH, RATE, SEED = (float(word) for word in sys.argv[4:])


def main() -> None:
    model, rows, output = sys.argv[1:4]
    arguments = SFTConfig(
        output_dir=output,
        max_steps=int(STEPS),
        save_steps=int(SAVE_STEPS),
        max_length=int(LENGTH),
        per_device_train_batch_size=int(BATCH),
        gradient_checkpointing=False,
        learning_rate=RATE,
        seed=int(SEED),
        use_cpu=True,
        bf16=False,
        report_to="none",
    )
    trainer = SFTTrainer(model=model, args=arguments, train_dataset=load_dataset("json", data_files=rows)["train"])
    trainer.train(resume_from_checkpoint=any(Path(output).glob("checkpoint-*")))
    trainer.save_model(f"{output}/model")


if __name__ == "__main__":
    main()
