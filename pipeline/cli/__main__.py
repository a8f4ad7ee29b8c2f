"""`bit-tfx` as a module, where the package is on the path and not installed."""

import sys

from pipeline.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
