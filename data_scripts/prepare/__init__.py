"""Public data sets, from the archives that a user downloaded to one uniform layout.

A script in `data_scripts/` declares a `DataSet` and calls `main`; `dataset.prepare` does the work.
"""

from prepare.dataset import DataSet
from prepare.pair_rules import Alone, ByList, ByName, Halves
from prepare.script import main
from prepare.selection import Take

__all__ = ["Alone", "ByList", "ByName", "DataSet", "Halves", "Take", "main"]
