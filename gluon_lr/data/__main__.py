"""``python -m gluon_lr.data fetch|verify|where fashion-mnist|cifar10``."""

from __future__ import annotations

from typing import List, Optional

from ..cli import Parser, folder, run
from .fetch import obtain
from .sources import dataset_named, locate


def main(argv: Optional[List[str]] = None) -> int:
    """Fetch a dataset, verify it, or say where it is."""
    parser = Parser(
        "data",
        description="Find, verify or fetch a dataset. fetch writes its files below the data folder and takes minutes.",
    )
    parser.add_argument("action", choices=["fetch", "verify", "where"], help="what to do")
    parser.add_argument("dataset", choices=["fashion-mnist", "cifar10", "cifar-10"], help="with which dataset")
    parser.add_argument(
        "--data-dir", type=folder, help="folder that holds a folder per dataset (default: $MXNET_HOME/datasets)"
    )
    options = parser.parse_args(argv)
    dataset = dataset_named(options.dataset)
    located = (obtain if options.action == "fetch" else locate)(dataset, options.data_dir)
    if options.action == "where":
        print(located.folder)
        return 0
    print(f"{dataset.name}, edition {located.edition}, verified in {located.folder}")
    if options.action == "verify":
        for name, digest in located.sha1.items():
            print(f"  {digest}  {name}")
    return 0


if __name__ == "__main__":
    run(main, "data")
