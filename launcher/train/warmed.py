"""Imported by Ray in each process that it starts on this machine: see `warm.py`."""

from launcher.train.warm import warm_up

warm_up()
