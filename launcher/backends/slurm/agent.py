"""`python -m launcher.backends.slurm.agent FOLDER -- run ...`: one node of a job, from its start to its end.

Each node starts Ray; the first one is its head, and also runs the training command as the cluster's driver. What the
batch script is told of an interruption, the head's agent passes on to the driver. Nothing outlives the agent.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from launcher.backends.slurm.descendants import adopt_orphans, kill_descendants
from launcher.backends.slurm.job_folder import CANCEL, DONE, HEAD, STOP, JobFolder
from launcher.backends.slurm.next_start import nodes_to_exclude
from launcher.backends.slurm.ray_node import DEAF, KILL_S, NodeSpec, RayNode, start_node
from launcher.backends.slurm.this_node import ThisNode, element_in, own_address, secrets_of, this_node
from launcher.cluster.interfaces import interface_of
from launcher.cluster.load import load_profile
from launcher.cluster.slurm import Slurm
from launcher.errors import EXIT_AGAIN, InvalidInput, LauncherError

NOTICES = {
    "time-limit": signal.SIGUSR2,
    "preemption": signal.SIGTERM,
    STOP: signal.SIGINT,
    CANCEL: signal.SIGKILL,
}
"""How the driver is told what the batch script, `launcher cancel`, or a terminal says."""
POLL_S = 0.2
ORPHANED_S = 60.0
"""That a driver has to end once its Ray is gone."""


def main(words: Sequence[str]) -> int:
    """Run one node; returns the exit code of its task: the head's is the driver's."""
    folder, _, *arguments = words
    for number in DEAF:
        signal.signal(number, _stay)  # a handler, as being ignored would be handed down to the driver
    adopt_orphans()
    node = this_node()
    job = JobFolder.of(folder, str(node.job), node.start)
    scratch = Path(tempfile.mkdtemp(prefix=f"ll-{node.job}-", dir="/tmp"))
    try:
        return _run(node, job, scratch, element_in(arguments, node.element))
    except LauncherError as error:
        print(f"launcher: {node.name}: {error}", file=sys.stderr, flush=True)
        job.fail(node.name, str(error))
        return error.exit_code
    finally:
        kill_descendants(KILL_S)
        shutil.rmtree(scratch, ignore_errors=True)


def _run(node: ThisNode, job: JobFolder, scratch: Path, arguments: Sequence[str]) -> int:
    profile = _profile(arguments)
    secrets = secrets_of(profile.secrets_file, profile.secrets)
    if node.leads:
        job.make_token()
        head = None
    else:
        head = _wait_for_head(job, profile)
    address = own_address(node, None if head is None else head.partition(":")[0], profile.interface)
    environment = {
        **os.environ,
        **secrets,
        **_interfaces(address),
        "TMPDIR": str(scratch),
        "PYTHONUNBUFFERED": "1",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(job.token),
    }
    cores = max(profile.ranks_per_node, int(os.environ.get("SLURM_CPUS_PER_TASK", profile.cpus_per_node)))
    if head is not None:
        environment["RAY_ADDRESS"] = head
    spec = NodeSpec(address, head, cores, profile.gpus_per_node, scratch, environment)
    ray = start_node(node.job, spec, lambda: job.told(DONE) is not None or bool(job.failures()))
    if ray is None:
        return _unneeded(job)
    if head is not None:
        return _follow(job, ray)
    try:
        job.publish(HEAD, ray.address)
        code = _drive(job, ray, arguments, {**environment, "RAY_ADDRESS": ray.address})
        if code == EXIT_AGAIN and profile.requeue:
            _leave_out_bad_nodes(job, profile, _place(arguments).rpartition("/")[0])
    finally:
        job.publish(DONE, "")
    return code


def _profile(arguments: Sequence[str]) -> Slurm:
    """The run's profile, which stands beside its recipe: a node that cannot read it cannot reach the run.

    Raises:
        InvalidInput: it cannot be read here.
    """
    try:
        profile = load_profile(_place(arguments))
    except InvalidInput as error:
        mend = "cluster.storage has to be a file system that all nodes share, or a bucket and its credentials"
        raise InvalidInput(f"{error}; {mend}") from None
    assert isinstance(profile, Slurm)
    return profile


def _place(arguments: Sequence[str]) -> str:
    """Of the profile."""
    return arguments[arguments.index("--cluster") + 1]


def _interfaces(address: str) -> dict[str, str]:
    """For gloo and NCCL, which otherwise choose one by the host's name; unless somebody chose already."""
    interface = interface_of(address)
    names = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")
    return {name: interface for name in names if interface is not None and name not in os.environ}


def _wait_for_head(job: JobFolder, profile: Slurm) -> str:
    """The cluster's address, once the head has published it.

    Raises:
        LauncherError: it did not in time.
    """
    deadline = time.monotonic() + 60 * profile.wait_minutes
    while (head := job.told(HEAD)) is None:
        if job.told(DONE) is not None or job.failures():
            raise LauncherError(f"the job ended before its Ray was up: {'; '.join(job.failures()) or 'see the head'}")
        if time.monotonic() > deadline:
            raise LauncherError(f"the job's first node did not start Ray within {profile.wait_minutes:g} minutes")
        time.sleep(POLL_S)
    return head


def _unneeded(job: JobFolder) -> int:
    """The job was over before Ray was up here.

    Raises:
        LauncherError: as another node cannot take part.
    """
    if failures := job.failures():
        raise LauncherError(f"cannot begin: {'; '.join(failures)}")
    return 0


def _follow(job: JobFolder, ray: RayNode) -> int:
    """Be there until the head is done.

    Raises:
        LauncherError: Ray ended before that.
    """
    while job.told(DONE) is None:
        if ray.ended:
            raise LauncherError(f"Ray ended on this node: {ray.last_words()}")
        time.sleep(POLL_S)
    return 0


def _drive(job: JobFolder, ray: RayNode, arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """The training command, to its end."""
    driver = subprocess.Popen([sys.executable, "-m", "launcher", *arguments], env=dict(environment))
    passed, ray_ended = 0, None
    while (code := driver.poll()) is None:
        notices = job.notices()
        for notice in notices[passed:]:
            print(f"launcher: {notice}: the driver is told", file=sys.stderr, flush=True)
            driver.send_signal(NOTICES[notice])
        passed = len(notices)
        if failures := job.failures():
            driver.kill()
            raise LauncherError(f"cannot begin, or go on: {'; '.join(failures)}")
        if ray.ended and ray_ended is None:
            ray_ended = time.monotonic()
        if ray_ended is not None and time.monotonic() - ray_ended > ORPHANED_S:
            driver.kill()
            raise LauncherError(f"Ray ended on the head, and the driver hung: {ray.last_words()}")
        time.sleep(POLL_S)
    return code if code >= 0 else 1


def _leave_out_bad_nodes(job: JobFolder, profile: Slurm, run_url: str) -> None:
    try:
        nodes = nodes_to_exclude(profile, run_url)
    except Exception as error:  # every store's client has errors of its own; the job goes back into the queue anyhow
        print(f"launcher: the ledger of bad hosts cannot be read: {error}", file=sys.stderr, flush=True)
        return
    if nodes:
        job.exclude(nodes)


def _stay(number: int, frame: object) -> None:
    """What is to be done about a signal, the driver does."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
