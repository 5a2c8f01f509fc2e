"""Metrics of full-size pictures, scoring of pairs, a classical baseline, the report."""
