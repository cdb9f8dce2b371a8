"""Whose head gives the loss in place of logits, and how many logits at a time; imports no torch."""

PLAIN_HEADS = frozenset({"llama", "mistral", "qwen2", "qwen3"})
"""The `model_type` of models that give what comes out of their heads as it is: others scale or cap it."""
LOGITS_AT_ONCE = 1 << 25
"""128 MiB in fp32. A head that has no more gives them at once."""
