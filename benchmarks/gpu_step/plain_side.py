"""A plain loop of transformers and peft: positions that begin anew in each document, fused AdamW, whole logits."""

import torch
from torch.nn import functional

from benchmarks.gpu_step.work import LEARNING_RATE, PIECES, Asked, Clock, device, documents, plain_model


def main() -> None:
    asked, clock = Asked.of_words(), Clock()
    torch.manual_seed(0)
    model, rows = plain_model(asked), documents(asked)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=LEARNING_RATE, fused=True)
    positions = torch.arange(asked.document).repeat(PIECES)[None].to(device())
    for step in range(asked.steps):
        packed = torch.tensor(rows[PIECES * step : PIECES * (step + 1)])
        labels = packed.clone()
        labels[:, 0] = -100  # no document foresees the first token of the next
        ids, wanted = packed.flatten()[None].to(device()), labels.flatten()[1:].to(device())
        with torch.autocast(device().type, torch.bfloat16):
            logits = model(input_ids=ids, position_ids=positions).logits
        loss = functional.cross_entropy(logits[0, :-1].float(), wanted)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        clock.tick()
    clock.report()


if __name__ == "__main__":
    main()
