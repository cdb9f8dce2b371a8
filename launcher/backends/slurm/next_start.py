"""What a job that goes back into the queue does without when it starts next."""

from launcher.checkpoint.entries import Open
from launcher.checkpoint.journal import Journal
from launcher.cluster.slurm import Slurm
from launcher.ledger.hosts import bad_hosts
from launcher.storage.store import Store


def nodes_to_exclude(profile: Slurm, run_url: str) -> list[str]:
    """The profile's, and the nodes of this run that are on the ledger of bad hosts by now; none where there are none.

    Other hosts of the ledger may be no nodes of this cluster, and Slurm would refuse the whole list.

    Raises:
        LauncherError: the storage cannot be read.
    """
    opened = [entry for entry in Journal(Store.open(run_url)).entries() if isinstance(entry, Open)]
    bad = sorted(bad_hosts(profile.storage).keys() & {host for each in opened for host in each.hosts})
    return [*filter(None, [profile.exclude]), *bad] if bad else []
