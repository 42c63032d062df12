"""A simulated machine whose joules are known, and meters that stand on it: ours and others', unmodified.

One power profile drives a powercap tree (`drive.py`) and the NVML library of ``tests/fakes/nvml``; `place.py` puts both
where a meter looks for them; `conductor.py` runs a case on every meter at the same time; `cases.py` says what there is.
"""
