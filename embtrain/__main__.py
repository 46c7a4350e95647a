"""``python -m embtrain``: the same command, as torchrun starts it."""

import sys

from embtrain.cli import main

if __name__ == "__main__":
    sys.exit(main())
