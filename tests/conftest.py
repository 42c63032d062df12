"""No test asks the world: a session that a test opens by itself has no live grid source."""

import os

os.environ.setdefault("JUPYTER_CARBON_LIVE", "0")
