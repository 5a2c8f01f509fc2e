"""Metrics, scoring of pairs, statistics, published figures, a classical baseline, reports.

What lessons and notebooks need of it can be imported from here; it is loaded when asked for.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "classical": ["classical_filter"],
        "evaluate": ["evaluate_pairs"],
        "metrics": ["luma", "psnr", "scores", "ssim"],
        "pictures": ["best_median_worst", "error_map"],
        "statistics": ["difference", "interval"],
    },
)
