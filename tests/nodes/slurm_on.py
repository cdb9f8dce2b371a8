"""A real Slurm over hosts in namespaces: a controller, which is the login node too, and nodes that run jobs."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.nodes.hosts import Host, hosts, require_hosts, skip_or_fail
from tests.nodes.ray_on import ray_environment

TOOLS = ("slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel", "munged", "mungekey")
CORES = 2

CONF = """\
ClusterName=testing
SlurmctldHost=login({login})
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir=/tmp/slurmd
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
GresTypes=gpu
Licenses=fs:8
MpiDefault=none
MailProg=/bin/true
ReturnToService=2
JobRequeue=1
KillWait=10
SlurmdTimeout=30
SlurmctldTimeout=10
InactiveLimit=0
MessageTimeout=30
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=bf_interval=2,sched_interval=2,batch_sched_delay=1,sched_min_interval=0
SuspendProgram=/bin/true
ResumeProgram=/bin/true
SuspendTime=INFINITE
{nodes}
NodeName=g[1-8] State=CLOUD CPUs=128 RealMemory=2000000 Gres=gpu:h100:8 Feature=h100,ib
PartitionName=low Nodes={names} Default=YES PriorityTier=1 MaxTime=1:00:00 State=UP
PartitionName=high Nodes={names} PriorityTier=10 PreemptMode=OFF MaxTime=1:00:00 State=UP
PartitionName=gpu Nodes=g[1-8] MaxTime=7-0 State=UP
"""


@dataclass(frozen=True, slots=True)
class Cluster:
    login: Host
    nodes: list[Host]
    folder: Path
    """On every host."""

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        given = {"SLURM_CONF": str(self.folder / "slurm.conf"), **(more or {})}
        environment = ray_environment(self.folder, given)
        for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH"):  # a job has its own
            del environment[name]
        return environment

    def run(
        self, *command: str, within: float = 60.0, more: Mapping[str, str] | None = None, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the login node, in the shared folder."""
        return subprocess.run(
            self.login.words(command, self.folder),
            env=self.environment(more),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )

    def queue(self) -> str:
        return self.run("squeue", "--noheader", "--format=%i %j %T %r %N").stdout

    def logs(self) -> str:
        """All that was printed anywhere, for a test that failed."""
        files = sorted([*self.folder.glob("*.log"), *self.folder.rglob("*.out")])
        return "\n".join(f"== {file}\n{file.read_text(errors='replace')[-3000:]}" for file in files)


def until(happened: Callable[[], object], what: str, within: float = 60.0, every: float = 0.2) -> None:
    deadline = time.monotonic() + within
    while not happened():
        assert time.monotonic() < deadline, f"not within {within:.0f} s: {what}"
        time.sleep(every)


@contextmanager
def slurm_on(folder: Path, names: tuple[str, ...] = ("n1", "n2")) -> Iterator[Cluster]:
    """A cluster whose nodes are idle, below a folder that all hosts share."""
    require_hosts()
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    skip_or_fail(f"needs {', '.join(missing)} (slurmctld, slurmd, slurm-client, munge)" if missing else None)
    with hosts(["login", *names], folder) as (login, *nodes):
        cluster = Cluster(login, nodes, folder)
        _write_configuration(cluster)
        _start_munge(cluster)
        _daemon(cluster, login, "slurmctld", "-D")
        for node in nodes:
            start_slurmd(cluster, node)
        until(lambda: _idle(cluster) == len(nodes), f"idle nodes\n{folder / 'slurmctld.log'}")
        yield cluster


def start_slurmd(cluster: Cluster, node: Host) -> None:
    _daemon(cluster, node, "slurmd", "-D", "-N", node.name)


def _idle(cluster: Cluster) -> int:
    told = cluster.run("sinfo", "--noheader", "--partition=low", "--states=idle", "--format=%D").stdout
    return sum(map(int, told.split()))


def _write_configuration(cluster: Cluster) -> None:
    lines = "\n".join(
        f"NodeName={node.name} NodeAddr={node.address} NodeHostname={node.name} CPUs={CORES} RealMemory=6000"
        for node in cluster.nodes
    )
    names = ",".join(node.name for node in cluster.nodes)
    text = CONF.format(login=cluster.login.address, folder=cluster.folder, nodes=lines, names=names)
    (cluster.folder / "slurm.conf").write_text(text)
    (cluster.folder / "gres.conf").write_text("NodeName=g[1-8] Name=gpu Type=h100 Count=8\n")
    (cluster.folder / "state").mkdir(mode=0o700)


def _start_munge(cluster: Cluster) -> None:
    folder = cluster.folder / "munge"
    folder.mkdir(mode=0o755)
    key = folder / "key"
    cluster.run("mungekey", "--create", f"--keyfile={key}").check_returncode()
    words = [f"--{name}-file={folder / name}" for name in ("key", "log", "pid", "seed")]
    _daemon(cluster, cluster.login, "munged", "--foreground", "--force", f"--socket={folder / 'socket'}", *words)
    until((folder / "socket").exists, "munged")


def _daemon(cluster: Cluster, host: Host, *command: str) -> None:
    log = cluster.folder / f"{host.name}-{command[0]}.log"
    host.start(*command, log=log, environment=cluster.environment())
