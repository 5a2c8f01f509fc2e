"""RealRain-1k-L and -H: 1,120 pairs each from real rain videos, light and heavy; own val split.

    python data_scripts/realrain1k.py --kind RealRain-1k-L --source downloads/realrain --out data/L

Li, Zhang, Dai, Huang, Tao: "Toward real-world single image deraining: a new benchmark and beyond"
(arXiv 2206.05514). No licence is stated: research only.

No registration; links are on https://github.com/hiker-lw/RealRain-1k. Put the archives, or what
you unpacked, into --source; both kinds may lie there:

    RealRain-1k-L/train/input/N.png ... target/N.png, validation/, test/
    RealRain-1k-H/...

Published figures on it are RGB, not Y. All 1,120 pairs must be there; how they are divided is as
in the archives.
"""

from prepare import DataSet, main

LICENCE = "none stated: research only"
REALRAIN_L = DataSet("RealRain-1k-L", LICENCE, pairs=1120, ignore="realrain-1k-h|synrain")
REALRAIN_H = DataSet("RealRain-1k-H", LICENCE, pairs=1120, ignore="realrain-1k-l|synrain")

if __name__ == "__main__":
    main(__doc__, REALRAIN_L, REALRAIN_H)
