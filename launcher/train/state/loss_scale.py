"""The loss scale of fp16 under DDP: what PyTorch's scaler knows, in the words that DeepSpeed's shares."""

from dataclasses import dataclass

import torch

from launcher.train.state.holdings import Counters


@dataclass(frozen=True, slots=True)
class ScalerCounts:
    """`loss_scale`, and `clean_steps` since it grew or a step overflowed; nothing where losses are not scaled."""

    scaler: torch.amp.GradScaler

    def read(self) -> Counters:
        state = self.scaler.state_dict()
        return {"loss_scale": state["scale"], "clean_steps": state["_growth_tracker"]} if state else {}

    def write(self, counters: Counters) -> None:
        state = self.scaler.state_dict()
        if not state or "loss_scale" not in counters:
            return
        # DeepSpeed counts on past a growth, and PyTorch grows only where its count is equal to the interval
        clean = int(counters["clean_steps"]) % state["growth_interval"]
        self.scaler.load_state_dict({**state, "scale": counters["loss_scale"], "_growth_tracker": clean})
