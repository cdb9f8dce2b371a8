"""Memory that grows with the rows: what forward passes keep for backward, and logits.

Counted tensor by tensor from transformers' modeling_llama.py and modeling_bert.py with fused attention, in the way of
https://arxiv.org/abs/2205.05198, section 4; `tests/plan/test_activations.py` holds it to what autograd really saves.
All sizes are bytes a token but where said otherwise.
"""

from collections.abc import Iterator

from launcher.model.heads import LOGITS_AT_ONCE, PLAIN_HEADS
from launcher.plan.parameters import linear_shapes
from launcher.plan.setting import TRAINING, Setting, Term
from launcher.recipe.task import has_labels

READS = {"q_proj": "norm", "k_proj": "norm", "v_proj": "norm", "o_proj": "attention"} | {
    "gate_proj": "other norm",
    "up_proj": "other norm",
    "down_proj": "product",
}
"""Linear layers of a block, and what they read: layers that read the same share what is kept of it."""
LOSS_BYTES = 12
"""A logit in fp32 three times, when backward begins: log-probability, its gradient, and the logit's."""
PIECE_BYTES = 8
"""A logit of a piece, and its log-probability that becomes its gradient (`launcher/model/loss_in_pieces.py`)."""
LABEL_TOKENS = 16
"""Tokens of a label's words, whose logits alone are computed."""


def activations(setting: Setting) -> Iterator[Term]:
    """Everything kept, or with gradient checkpointing the inputs of blocks and what one block keeps.

    Checkpointing: https://arxiv.org/abs/1604.06174.
    """
    layers, tokens = setting.layers, setting.tokens
    block = block_bytes(setting)
    outside = outside_bytes(setting) * tokens
    if setting.recipe.training.gradient_checkpointing:
        inputs = setting.hidden * setting.residual
        yield Term("inputs of blocks", layers * inputs * tokens + outside, phases=TRAINING)
        yield Term("one block's activations", block * tokens, phases=("blocks",))
    else:
        spared = 0 if embedding_is_trained(setting) else first_norm_bytes(setting)
        yield Term("activations", (layers * block - spared) * tokens + outside, phases=TRAINING)
    width = setting.inner + setting.hidden
    yield Term("gradients of activations", 2 * width * setting.compute * tokens, phases=("blocks",))


def logits(setting: Setting) -> Iterator[Term]:
    """Logits with their gradient, which are there while everything else is kept: of all tokens, or of a piece of them.

    While scoring the same (`evaluate/score.py`); a head that gives logits gives those of all rows from their first
    label on, and one row's are there in fp32 twice.
    """
    classes = output_classes(setting)
    each = PIECE_BYTES if in_pieces(setting) else LOSS_BYTES
    at_once = each * classes * tokens_at_once(setting)
    yield Term("logits and loss", at_once + head_gradient_bytes(setting), phases=("loss",))
    rows, length = setting.recipe.evaluation.batch_size, setting.recipe.training.max_length
    labelled = LABEL_TOKENS if has_labels(setting.recipe.task) else length
    block = 3 * setting.compute * setting.inner * rows * length
    if head_gives_loss(setting):
        scored = (setting.compute + 8) * classes * _at_once(setting, rows * labelled)
    else:
        scored = setting.compute * classes * rows * labelled + 8 * classes * labelled
    yield Term("scoring of test rows", block + scored, phases=("scoring",))


def saved_bytes(setting: Setting) -> int:
    """Bytes that autograd keeps of a micro-batch's forward pass, with its loss."""
    kept = sum(term.size for term in activations(setting) if "loss" in term.phases)
    logits_kept = 0 if in_pieces(setting) else 4 * output_classes(setting) * setting.tokens
    return kept + logits_kept + head_gradient_bytes(setting)


def head_gradient_bytes(setting: Setting) -> int:
    """Of a trained head's weight: taken with the loss where logits come in pieces, and kept beside what is summed."""
    if not in_pieces(setting) or not head_is_trained(setting):
        return 0
    return output_classes(setting) * setting.hidden * setting.gradient


def in_pieces(setting: Setting) -> bool:
    """Whether logits are never there as a whole."""
    return tokens_at_once(setting) < setting.tokens


def tokens_at_once(setting: Setting) -> int:
    """Tokens of a micro-batch whose logits are there at a time."""
    return _at_once(setting, setting.tokens) if head_gives_loss(setting) else setting.tokens


def head_gives_loss(setting: Setting) -> bool:
    """Whether logits need not all be there (`launcher/model/head_loss.py`)."""
    adapted = any(part.module == "lm_head" and (part.kind == "adapter" or part.duplicate) for part in setting.parts)
    return bool(output_classes(setting)) and not adapted and setting.config["model_type"] in PLAIN_HEADS


def _at_once(setting: Setting, tokens: int) -> int:
    return min(tokens, max(LOGITS_AT_ONCE // output_classes(setting), 1))


def head_is_trained(setting: Setting) -> bool:
    """The head's own weight, or the embedding that it is tied to."""
    return setting.adapter is None or any(part.kind == "head" and part.trained for part in setting.parts)


def output_classes(setting: Setting) -> int:
    """Logits of a token; a classifier has some of a row, which are not worth counting."""
    if setting.recipe.task.kind == "classification":
        return 0
    return max(part.shape[0] for part in setting.parts if part.kind in ("head", "embedding"))


def embedding_is_trained(setting: Setting) -> bool:
    """Where it is not, what comes before the first adapter needs no gradient."""
    return any(part.kind == "embedding" and part.trained for part in setting.parts)


def block_bytes(setting: Setting) -> int:
    """What one block keeps of a token."""
    return _bert_block(setting) if setting.config["model_type"] == "bert" else _llama_block(setting)


def outside_bytes(setting: Setting) -> int:
    """What is kept of a token outside of blocks: of Llama's last norm and head, or of BERT's embeddings; token ids."""
    hidden, ids = setting.hidden, 16
    if setting.config["model_type"] == "bert":
        return hidden * (_layer_norm(setting) + _mask(setting)) + ids
    keeps_rows = head_is_trained(setting) or in_pieces(setting)
    return first_norm_bytes(setting) + (hidden * setting.compute if keeps_rows else 0) + ids


def first_norm_bytes(setting: Setting) -> int:
    """An RMSNorm keeps its input in fp32 and, where its weight is trained, the normed input; and a number a token."""
    normed = setting.residual if setting.adapter is None else 0
    return setting.hidden * (4 + normed) + 4


def _llama_block(setting: Setting) -> int:
    """Two norms, the inputs of linear layers, attention, the gated product, and what adapters add."""
    number, shapes = setting.compute, linear_shapes(setting.config)
    wide, narrow = shapes["q_proj"][1], shapes["k_proj"][1]
    attention = number * (2 * wide + 2 * (wide if setting.masked else narrow)) + 4 * setting.heads
    if setting.masked:  # the kernel reads a mask of numbers: (rows, 1, tokens, tokens)
        attention += number * setting.recipe.training.max_length
    gated = 3 * number * setting.inner
    return 2 * first_norm_bytes(setting) + _linear_inputs(setting) + attention + gated + _beside(setting)


def _linear_inputs(setting: Setting) -> int:
    """A layer whose weight is trained, or that has an adapter, keeps its input.

    Layers that read the same share it, unless each has its own copy: autocast casts anew for each, PEFT casts to its
    adapters' type (and autocast back), and dropout is drawn for each. What attention keeps anyway is not counted twice.
    """
    adapter, number = setting.adapter, _adapter_number(setting)
    dropped = adapter is not None and adapter.lora_dropout > 0
    own = (setting.autocast and adapter is not None) or dropped or setting.fp32_adapters
    trained = {part.module for part in setting.parts if part.trained and part.kind in ("linear", "adapter")}
    size, seen = 0, set()
    for name, (inputs, _) in linear_shapes(setting.config).items():
        if name not in trained:
            continue
        read = READS[name]
        cast_anew = setting.autocast and read in ("norm", "other norm")
        if own or cast_anew or (read not in seen and read != "attention"):
            size += inputs * number
        seen.add(read)
        if dropped:
            size += inputs * _mask_width(setting)
    return size


def _adapter_number(setting: Setting) -> int:
    return 4 if setting.fp32_adapters else setting.compute


def _beside(setting: Setting) -> int:
    """What adapters keep: what is between their matrices, and for DoRA both summands of each output.

    DoRA also multiplies an identity through each adapter, whose bytes do not grow with the rows: `identity_bytes`.
    """
    adapter = setting.adapter
    if adapter is None:
        return 0
    shapes = linear_shapes(setting.config)
    names = {part.module for part in setting.parts if part.kind == "adapter"} & set(shapes)
    each = _adapter_number(setting) * adapter.r * len(names)
    return each + (2 * setting.compute * sum(shapes[name][1] for name in names) if adapter.use_dora else 0)


def identities(setting: Setting) -> Iterator[Term]:
    """DoRA keeps an identity (inputs, inputs) for each adapted layer (PEFT, `tuners/lora/dora.py`)."""
    adapter = setting.adapter
    if adapter is None or not adapter.use_dora or setting.config["model_type"] == "bert":
        return
    shapes, checkpointing = linear_shapes(setting.config), setting.recipe.training.gradient_checkpointing
    names = {part.module for part in setting.parts if part.kind == "adapter"} & set(shapes)
    block = sum(setting.compute * shapes[name][0] ** 2 for name in names)
    copies = 1 if checkpointing else setting.layers
    yield Term("DoRA's identities", block * copies, phases=("blocks",) if checkpointing else TRAINING)


def _mask_width(setting: Setting) -> int:
    """Bytes of a number of dropout's mask: on a CPU it is kept as a factor of the input's type."""
    return 1 if setting.device == "cuda" else setting.held


def _layer_norm(setting: Setting) -> int:
    return 4 if setting.autocast else setting.compute


def _mask(setting: Setting) -> int:
    return 1 if setting.device == "cuda" else setting.compute


def _bert_block(setting: Setting) -> int:
    """Two norms and two dropouts, the inputs of linear layers, attention, GELU.

    On a CPU attention with dropout is not fused: its probabilities, mask and product are kept in fp32.
    """
    number, hidden = setting.compute, setting.hidden
    norms = 2 * hidden * (_layer_norm(setting) + _mask(setting)) + 16
    inputs = (6 if setting.autocast else 3) * hidden * number
    gelu = 2 * setting.inner * number
    length = setting.recipe.training.max_length
    if setting.device == "cpu":
        return norms + inputs + gelu + 3 * hidden * 4 + 3 * setting.heads * length * 4
    return norms + inputs + gelu + 3 * hidden * number + length * number
