"""The memory of one rank, term by term, and whether a device holds it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from launcher.plan.activations import activations, identities, logits
from launcher.plan.parameters import model_parts
from launcher.plan.placement import Device
from launcher.plan.setting import PHASES, Phase, Setting, Term
from launcher.plan.states import buffers, gathered, gradients, masters, moments, step, weights, working_weights
from launcher.recipe.model import Pretrained
from launcher.recipe.recipe import Recipe

FRAGMENTATION = 0.05
"""Share of what torch's allocator hands out that lies idle between its blocks: an assumption."""
CONTEXT = {"cuda": 2**30, "cpu": 7 * 2**27}
"""Bytes before any tensor is there: CUDA's context and NCCL's channels (an assumption); on a CPU the libraries of a
worker, as measured."""

TERMS: tuple[Callable[[Setting], Iterator[Term]], ...] = (
    weights,
    gathered,
    masters,
    moments,
    gradients,
    buffers,
    working_weights,
    activations,
    identities,
    logits,
    step,
)


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of one rank. On a CPU device and host are the same memory, and all of it counts as the device's."""

    terms: tuple[Term, ...]

    @property
    def peak(self) -> int:
        """Of the device, at the worst moment."""
        return sum(term.size for term in self.at_peak)

    @property
    def worst(self) -> Phase:
        """When the device's memory peaks."""
        return max(PHASES, key=self._at)

    @property
    def at_peak(self) -> tuple[Term, ...]:
        """The terms of the device that make up its peak, the largest first."""
        there = [term for term in self.terms if not term.host and self.worst in term.phases]
        return tuple(sorted(there, key=lambda term: -term.size))

    @property
    def host(self) -> int:
        """Of the host's memory, beside the process itself."""
        return sum(term.size for term in self.terms if term.host)

    def _at(self, phase: Phase) -> int:
        return sum(term.size for term in self.terms if phase in term.phases and not term.host)


def setting_of(recipe: Recipe, config: dict[str, Any], world: int, device: Device) -> Setting | None:
    """What memory depends on, or None where the architecture is not known.

    Raises:
        InvalidInput: the method names a module that the model does not have.
    """
    new_tokens = len(set(recipe.model.add_tokens)) if isinstance(recipe.model, Pretrained) else 0
    parts = model_parts(config, recipe.method, recipe.task, new_tokens=new_tokens)
    return None if parts is None else Setting(recipe, config, tuple(parts), world, device)


def estimate(setting: Setting, snapshot: int = 0) -> Memory:
    """Every term of a rank's memory.

    Args:
        snapshot: Bytes of one snapshot of this rank, which is kept in host memory.
    """
    terms = [term for make in TERMS for term in make(setting) if term.size]
    if snapshot:
        terms.append(Term("snapshot", snapshot, host=True))
    if setting.device == "cpu":
        terms = [Term(term.name, term.size, term.phases) for term in terms]
        return Memory((*terms, Term("libraries", CONTEXT["cpu"])))
    largest = Memory(tuple(terms)).peak
    reserve = Term("fragmentation", int(FRAGMENTATION * largest))
    return Memory((*terms, reserve, Term("CUDA context and NCCL", CONTEXT["cuda"])))
