"""``python -m cfevents``: the command line."""

import sys

from cfevents.cli import main

if __name__ == "__main__":
    sys.exit(main())
