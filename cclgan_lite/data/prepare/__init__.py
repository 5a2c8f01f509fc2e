"""Public data sets, from the archives that a user downloaded to one uniform layout.

A script in `data_scripts/` declares a `DataSet` and calls `main`; `layout.prepare` does the work.
"""
