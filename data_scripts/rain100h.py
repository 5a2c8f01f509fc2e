"""Rain100H (the old version, the one papers use): 1,800 training and 100 test pairs, heavy rain.

    python data_scripts/rain100h.py --source downloads/rain100H --out data/rain100H

Yang, Tan, Feng, Liu, Guo, Yan: "Deep joint rain detection and removal from a single image",
CVPR 2017. Photographs of BSDS500: free for non-commercial research and education.

No registration; sources and layouts as for Rain100L (see rain100l.py --help).

546 of its training images share backgrounds with its test images. They are recognised by a
perceptual hash and left out, with a message; --keep-leaks keeps them, as the literature does.
Validation: the pairs of 20 training scenes.
"""

from prepare import DataSet, main

RAIN100H = DataSet(
    name="Rain100H",
    licence="derived from BSDS500: non-commercial research and education",
    counts={"train": 1800, "test": 100},
    val=20,
    drop_leaks=True,
    known_leaks={
        "Rain100H": "546 of its 1,800 training images share backgrounds with its test images"
    },
)

if __name__ == "__main__":
    main(__doc__, RAIN100H)
