"""TRL's SFTTrainer on rows that are token ids already; run by the peers' Python: SETTINGS.json."""

import json
import sys
from pathlib import Path

import torch
from datasets import load_dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from trl import SFTConfig, SFTTrainer


def main() -> None:
    settings = json.loads(Path(sys.argv[1]).read_text())
    quantization = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )
    model = AutoModelForCausalLM.from_pretrained(
        settings["model"], quantization_config=quantization, dtype=torch.float32
    )
    arguments = SFTConfig(
        output_dir=settings["output"],
        max_steps=settings["steps"],
        per_device_train_batch_size=settings["batch"],
        max_length=settings["max_length"],
        learning_rate=settings["learning_rate"],
        lr_scheduler_type="cosine",
        warmup_steps=settings["warmup_steps"],
        weight_decay=0.0,
        max_grad_norm=1.0,
        completion_only_loss=True,
        gradient_checkpointing=False,
        seed=settings["seed"],
        use_cpu=True,
        bf16=False,
        save_strategy="no",
        logging_steps=50,
        report_to="none",
    )
    lora = LoraConfig(
        task_type="CAUSAL_LM",
        r=settings["r"],
        lora_alpha=settings["lora_alpha"],
        lora_dropout=0.0,
        target_modules="all-linear",
    )
    trainer = SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=load_dataset("json", data_files=settings["rows"])["train"],
        processing_class=AutoTokenizer.from_pretrained(settings["model"]),
        peft_config=lora,
    )
    trainer.train()
    trainer.save_model(settings["adapter"])
    print("loss", trainer.state.log_history[-1]["train_loss"])


if __name__ == "__main__":
    main()
