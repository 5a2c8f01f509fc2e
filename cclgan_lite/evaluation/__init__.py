"""Metrics, scoring of pairs, statistics, published figures, a classical baseline, reports."""
