"""A whole recipe: what to train."""

import hashlib
import json
from typing import Annotated

from pydantic import Field

from launcher.recipe.data import Data
from launcher.recipe.method import Method
from launcher.recipe.model import Model
from launcher.recipe.section import Section
from launcher.recipe.sentinel import Sentinel
from launcher.recipe.strategy import Strategy
from launcher.recipe.task import Task
from launcher.recipe.tracking import Tracking
from launcher.recipe.training import Evaluation, LongDocuments, Training


class Recipe(Section):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    """Names the run directory: letters, digits, `.`, `_` and `-`."""
    description: str = ""
    model: Model
    method: Method
    task: Task
    data: Data
    strategy: Strategy
    training: Training = Training()
    evaluation: Evaluation = Evaluation()
    tracking: Tracking = Tracking()
    sentinel: Sentinel = Sentinel()

    @property
    def long_documents(self) -> LongDocuments:
        """What happens to a training document of more than `training.max_length` tokens."""
        return self.training.long_documents or ("split" if self.task.kind == "text" else "truncate")

    @property
    def digest(self) -> str:
        """sha256 of the recipe's canonical JSON, in hexadecimal."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()
