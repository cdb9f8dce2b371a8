"""How fast, how full and how safe data are read, beside memcpy, a plain gather and three other loaders.

Every side reads the same documents. Sides run in turn, round after round, and ratios are taken inside a round. The
peers need another environment: python -m venv PEERS, then pip install torch==2.13.0, litdata==0.2.76, datasets==5.2.0,
trl==1.16.0 and transformers==5.23.0; pip uninstall torchvision, which LitData brings and which is built for CUDA;
mosaicml-streaming==0.13.0 with --no-deps, then Brotli, boto3, catalogue, python-snappy, xxhash, zstd, matplotlib,
paramiko, oci, google-cloud-storage, azure-identity, azure-storage-blob and azure-storage-file-datalake. Without it
they are named as not installed.

    .venv/bin/python -m benchmarks.loader [--peers-python PEERS/bin/python] [--only warm cold ...]
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.loading.bench import Bench
from benchmarks.loading.cold import cold
from benchmarks.loading.corruption import corruption
from benchmarks.loading.fill import fill
from benchmarks.loading.million import million
from benchmarks.loading.resume import resume
from benchmarks.loading.warm import warm

SECTIONS: dict[str, Callable[[Bench], None]] = {
    "warm": warm,
    "cold": cold,
    "fill": fill,
    "resume": resume,
    "million": million,
    "corruption": corruption,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), metavar="SECTION")
    parser.add_argument("--peers-python", type=Path, help="Python of the peers' environment")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--documents", type=int, default=600_000, help="of the warm section")
    parser.add_argument("--small-documents", type=int, default=100_000, help="of all others")
    parser.add_argument("--blocks", type=int, default=1_000_000, help="of the huge manifest")
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="folder of real data and models")
    chosen = parser.parse_args()
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory(prefix="ll-bench-") as name:
        python = chosen.peers_python and chosen.peers_python.absolute()
        sizes = chosen.rounds, chosen.documents, chosen.small_documents
        bench = Bench(Path(name), python, *sizes, chosen.shared.absolute(), chosen.blocks)
        for section in chosen.only:
            started = time.perf_counter()
            print(f"\n## {section}\n", flush=True)
            SECTIONS[section](bench)
            print(f"\n({section}: {time.perf_counter() - started:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
