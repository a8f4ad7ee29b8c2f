"""`make flink`: starts the cluster, prints the `beam` section that uses it, waits for Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

from ruamel.yaml import YAML

from tests.engines.flink.cluster import Cluster
from tests.engines.packages import FLINK


def main() -> int:
    """Runs the command; its exit code."""
    parser = argparse.ArgumentParser(prog="make flink", description=__doc__)
    parser.add_argument("--folder", type=Path, help="logs of the processes (default: a new one)")
    parser.add_argument("--managers", type=int, default=2, help="task managers (default: 2)")
    arguments = parser.parse_args()
    lacking = FLINK.missing()
    if lacking:
        print(lacking, file=sys.stderr)
        return 2
    # Also where a script starts it in the background, which ignores Ctrl-C, and by `kill`.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="flink-"))
    print(f"Starting Flink {FLINK.version('flink')}; logs are in {folder}", file=sys.stderr)
    try:
        with Cluster(folder, managers=arguments.managers) as cluster:
            print(f"# Flink's page: {cluster.rest.address}")
            YAML().dump({"beam": cluster.section()}, sys.stdout)
            sys.stdout.flush()
            print("Ctrl-C stops it.", file=sys.stderr)
            while True:
                time.sleep(3600)
    except KeyboardInterrupt:
        return 0
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
