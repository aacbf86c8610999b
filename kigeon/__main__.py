"""``python -m kigeon`` is ``kigeon``."""

import sys

from kigeon.cli import main

sys.exit(main())
