"""What an attempt is to do: from the newest commit that verifies, on the machines that are there."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from launcher.checkpoint.contents import Origin
from launcher.checkpoint.journal import Attempt
from launcher.checkpoint.retention import collect
from launcher.data.prepared.opened import PreparedSet
from launcher.model.digest import base_digest
from launcher.plan.flops import flops_per_token
from launcher.plan.placement import Placement
from launcher.plan.plan import batch_lines
from launcher.storage.retry import Retry
from launcher.train.cluster import Cluster
from launcher.train.datasets import Preparation, TrainingData, training_data
from launcher.train.job import Job
from launcher.train.prepare import place_base
from launcher.train.ready_run import Run
from launcher.train.resuming import resume_point
from launcher.train.rollback import left_out


@dataclass(frozen=True, slots=True)
class Party:
    """What attempts of one driver work with; machines may get fewer from one to the next."""

    how: Preparation
    sets: list[PreparedSet]
    cluster: Cluster
    placement: Placement

    @property
    def hosts(self) -> tuple[str, ...]:
        """Machines that train, where those are others than this one."""
        return tuple(node.host for node in self.cluster.nodes)

    def on(self, cluster: Cluster) -> "Party":
        """The same on other machines of the same kind."""
        workers = self.placement.workers // self.placement.nodes * len(cluster.nodes)
        placement = replace(self.placement, workers=workers, nodes=len(cluster.nodes))
        return replace(self, how=replace(self.how, placement=placement), cluster=cluster, placement=placement)


def make_job(run: Run, attempt: Attempt, party: Party) -> Job:
    """Find where the attempt goes on, and plan its steps.

    Raises:
        InvalidInput: the run began with another recipe, or with other data.
        StoreFailed: the store failed until the deadline.
        RunOwned: another attempt has the run.
    """
    from launcher.checkpoint.rescue import recover, rescue_folder

    store, screen, plan, how = run.store, run.screen, run.ahead.plan, party.how
    cache = Path(how.cache.path)
    rescued = rescue_folder(cache, store.location)
    collect(attempt, store, Retry())
    recover(attempt, store, rescued, screen.line, Retry())
    resume = resume_point(store, run.recipe, cache / "checkpoints" / run.id, screen.line, run.options.may_change)
    data = training_data(how, run.ahead.dataset, party.sets, None if resume is None else resume.progress.global_batch)
    if data.batches != plan.batches:
        screen.line("\n".join(batch_lines(data.batches)))
    if resume is not None:
        screen.line(f"going on  after step {resume.progress.step:,}, from {resume.commit.checkpoint}")
    flops = None
    if plan.parameters is not None:
        flops = flops_per_token(run.ahead.config, plan.parameters, run.recipe.method, data.mean_tokens)
    return Job(
        recipe=run.ready.recipe,
        run_url=store.location,
        attempt=attempt.number,
        nonce=attempt.nonce,
        base=place_base(run.recipe, run.ready, store),
        training_sets=data.sets,
        cache=how.cache,
        batches=data.batches,
        placement=party.placement,
        flops_per_token=flops,
        origin=_origin(run, data),
        failure_s=run.profile.hours_between_failures * 3600,
        resume=resume,
        rescue=str(rescued),
        left_out=left_out(attempt.journal.entries()),
    )


def _origin(run: Run, data: TrainingData) -> Origin:
    """What the checkpoints of this run say that it is."""
    recipe = run.recipe
    named = recipe.model.model_dump(mode="json", include={"name_or_path", "revision"})
    return Origin(
        run=run.id,
        recipe=recipe.model_dump(mode="json"),
        recipe_digest=recipe.digest,
        data={each.url: {"manifest": each.manifest, **asdict(each.packing)} for each in data.sets},
        base={**named, "digest": base_digest(run.ready.folder)},
    )
