"""One row per cell run: the session's journal on the cell's path, SQLite behind it.

`journal` appends what was counted, `replay` reads it back as records, `sqlite` keeps them, `book` is the whole ledger
to those who read it, `history` shows it.
"""

from __future__ import annotations

from jupyter_carbon.ledger.place import default_path
from jupyter_carbon.ledger.run_id import run_id

__all__ = ["default_path", "run_id"]
