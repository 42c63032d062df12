"""GRAMS PER kWh.  A grid answers one question: how many grams per kWh, here, then?"""

PROVIDERS = ("gb", "denmark", "france", "electricity_maps", "eia", "entsoe", "watttime")
"""The live sources, each a file of `providers/`, in order of preference: those that need no key come first."""

MARGINAL = ("watttime",)
"""Those of them that tell what one more kWh changes: another quantity."""
