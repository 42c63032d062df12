"""One row per cell run: the session's journal on the cell's path, SQLite behind it."""
