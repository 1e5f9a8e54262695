"""``python -m visualwords.pipeline`` is the command ``visualwords``."""

import sys

from .cli import main

sys.exit(main())
