"""A model's config.json -> that of a small model of the same family."""

from collections.abc import Callable
from typing import Any

from launcher.errors import InvalidInput

LAYERS = 2
HEAD_DIM = 8
LEAST_HEADS = 4
EXPERTS, CHOSEN = 4, 2
NEEDED = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
DROPPED = ("quantization_config", "torch_dtype", "dtype", "auto_map")
"""What says how the base's own weights are stored; new ones are fp32."""


def small_config(config: dict[str, Any]) -> dict[str, Any]:
    """Fewer layers, and a width of a few heads: as many attention heads to a key-value head as before, and the same
    ratio of the inner width. All else, positions and vocabulary too, stays. What is small already stays whole.

    Raises:
        InvalidInput: the configuration does not say its sizes under the usual names.
    """
    missing = [name for name in NEEDED if not isinstance(config.get(name), int)]
    if missing:
        raise InvalidInput(
            f"model: its config.json says no {', '.join(missing)}, so it cannot be made smaller for a dry run; say "
            "launcher run without --dry-run, with training.max_steps=3"
        )
    heads, width = config["num_attention_heads"], config["hidden_size"]
    ratio = heads // (config.get("num_key_value_heads") or heads)
    few = min(heads, ratio * -(-LEAST_HEADS // ratio))
    narrow = few * min(HEAD_DIM, width // heads)

    def scaled(inner: int) -> int:
        return max(8, int(inner * narrow / width / 8 + 0.5) * 8)

    sizes: dict[str, Callable[[Any], Any]] = {
        "hidden_size": lambda _: narrow,
        "num_attention_heads": lambda _: few,
        "num_key_value_heads": lambda given: given and few // ratio,
        "head_dim": lambda given: given and min(HEAD_DIM, given),
        "num_hidden_layers": lambda given: min(LAYERS, given),
        "layer_types": lambda given: given and given[:LAYERS],
        "intermediate_size": scaled,
        "moe_intermediate_size": scaled,
        "shared_expert_intermediate_size": scaled,
        "num_local_experts": lambda given: min(EXPERTS, given),
        "num_experts": lambda given: min(EXPERTS, given),
        "num_experts_per_tok": lambda given: min(CHOSEN, given),
    }
    kept = {name: value for name, value in config.items() if name not in DROPPED}
    # The 0.02 of most is for wide models: see `launcher.model.scratch`
    kept["initializer_range"] = 0.5 * narrow**-0.5
    return {name: sizes[name](value) if name in sizes else value for name, value in kept.items()}
