"""A run as a RayJob: rendered, submitted, followed and ended, from its id alone."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from launcher.backends.backend import JobStatus
from launcher.backends.kept_logs import kept_logs
from launcher.backends.kubernetes import jobs
from launcher.backends.kubernetes.connect import Api, connect
from launcher.backends.kubernetes.driver_output import driver_lines
from launcher.backends.kubernetes.failures import NotThere
from launcher.backends.kubernetes.gather import OF_CLUSTER, gather, pods_of
from launcher.backends.kubernetes.manifest import manifest, manifest_yaml
from launcher.backends.kubernetes.names import ROLE, RUN, run_name
from launcher.backends.kubernetes.parts import get
from launcher.backends.kubernetes.secret import check_secret
from launcher.backends.kubernetes.words import status_of
from launcher.backends.submission import Submission
from launcher.cluster.kubernetes import Kubernetes
from launcher.cluster.profile import Profile
from launcher.errors import InvalidInput

CANCEL_S = 1
"""That processes have to end, and their preStop hooks: nothing is committed any more."""


def backend(profile: Profile) -> "KubernetesBackend":
    assert isinstance(profile, Kubernetes)
    return KubernetesBackend(profile)


@dataclass
class KubernetesBackend:
    """One namespace; nothing is asked before a method needs it."""

    profile: Kubernetes
    tell: Callable[[str], None] = field(default=lambda line: print(line, file=sys.stderr))

    @cached_property
    def api(self) -> Api:
        return connect(self.profile)

    def render(self, submission: Submission) -> str:
        return manifest_yaml(manifest(submission))

    def check(self, submission: Submission) -> None:
        check_secret(self.api, self.profile, self.tell)
        jobs.check(self.api, submission)

    def submit(self, submission: Submission) -> str:
        return jobs.create(self.api, submission)

    def status(self, run_id: str) -> JobStatus:
        job = self._newest(run_id)
        return JobStatus("absent") if job is None else status_of(gather(self.api, job))

    def logs(self, run_id: str, *, follow: bool) -> Iterator[str]:
        job = self._newest(run_id)
        if job is None:
            yield from kept_logs(self._run_url(run_id), f"no job of run {run_id} is in {self._place}")
            return
        if self.profile.submission == "http":
            yield from kept_logs(self._run_url(run_id), "a job that KubeRay submits by HTTP has no log of its driver")
            return
        try:
            yield from self._driver_lines(run_id, job, follow=follow)
        except NotThere:
            yield from kept_logs(self._run_url(run_id), "the pod with the driver's output is gone")

    def stop(self, run_id: str) -> str | None:
        job = self._newest(run_id)
        state = "absent" if job is None else status_of(gather(self.api, job)).state
        if job is None or state not in ("queued", "starting"):
            return None
        jobs.remove(self.api, job)
        return f"{job['metadata']['name']} had not begun, and is removed from {self._place}"

    def cancel(self, run_id: str) -> str:
        alive = [one for one in jobs.jobs_of(self.api, run_id) if not jobs.has_ended(one)]
        if not alive:
            raise InvalidInput(f"{run_id}: no job of this run is alive in {self._place}")
        for job in alive:
            jobs.remove(self.api, job)
            self._end_pods(job)
        return f"{', '.join(one['metadata']['name'] for one in alive)} is removed from {self._place}"

    def _end_pods(self, job: jobs.Job) -> None:
        """Pods go with their job, but only after the grace period that a commit has."""
        cluster = get(job, "status.rayClusterName")
        if not cluster:
            return
        for pod in pods_of(self.api, f"{OF_CLUSTER}={cluster}"):
            name = pod["metadata"]["name"]
            try:
                self.api.ask("delete", "pods", lambda name=name: self._end_pod(name))  # type: ignore[misc]
            except NotThere:
                continue

    def _end_pod(self, name: str) -> None:
        self.api.core.delete_namespaced_pod(name, self.api.namespace, grace_period_seconds=CANCEL_S)

    def _driver_lines(self, run_id: str, job: jobs.Job, *, follow: bool) -> Iterator[str]:
        by_role = f"{RUN}={run_name(run_id)},{ROLE}=head"
        by_job = f"batch.kubernetes.io/job-name={job['metadata']['name']}"
        selector = by_job if self.profile.submission == "k8s-job" else by_role
        yield from driver_lines(self.api, selector, job, lambda: self._newest(run_id), follow=follow)

    def _newest(self, run_id: str) -> jobs.Job | None:
        return next(reversed(jobs.jobs_of(self.api, run_id)), None)

    def _run_url(self, run_id: str) -> str:
        return f"{self.profile.storage.rstrip('/')}/{run_id}"

    @property
    def _place(self) -> str:
        return f"namespace {self.profile.namespace} of {self.api.host}"
