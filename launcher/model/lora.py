"""PEFT's configuration of a recipe's adapters."""

from peft import LoraConfig, TaskType
from transformers import PreTrainedModel

from launcher.recipe.method import Adapter
from launcher.recipe.method_checks import peft_task_type
from launcher.recipe.task import Task


def token_modules(model: PreTrainedModel) -> list[str]:
    """Names of the modules with a row for each token: the embedding, and the output layer where there is one."""
    both = (model.get_input_embeddings(), model.get_output_embeddings())  # type: ignore[no-untyped-call]
    return [name.rpartition(".")[2] for name, module in model.named_modules() if any(module is one for one in both)]


def lora_config(method: Adapter, task: Task, also_whole: list[str]) -> LoraConfig:
    """The adapters that a method asks for; modules `also_whole` are trained whole beside those that it names."""
    return LoraConfig(
        r=method.r,
        lora_alpha=method.lora_alpha,
        lora_dropout=method.lora_dropout,
        bias=method.bias,
        target_modules=method.target_modules,
        exclude_modules=method.exclude_modules or None,
        layers_to_transform=method.layers_to_transform,
        modules_to_save=list(dict.fromkeys([*method.modules_to_save, *also_whole])) or None,
        use_dora=method.use_dora,
        use_rslora=method.use_rslora,
        init_lora_weights=method.init_lora_weights,
        task_type=TaskType(peft_task_type(task)),
    )
