"""Everything that knows IPython: hooks, magics, the badge."""
