"""`python -m fuzzydiff_lite.cli`, which `torchrun` needs."""

import sys

from .commands import main

sys.exit(main())
