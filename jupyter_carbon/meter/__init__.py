"""Readings and whose they are: the meter, the process tree, attribution."""
