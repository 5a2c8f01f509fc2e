"""Rain200L and Rain200H (the new versions of Rain100L and H): 1,800 training and 200 test pairs.

    python data_scripts/rain200.py --kind Rain200L --source downloads/rain200L --out data/rain200L

Yang, Tan, Feng, Liu, Guo, Yan: "Deep joint rain detection and removal from a single image",
CVPR 2017. Photographs of BSDS500: free for non-commercial research and education.

No registration. From http://www.icst.pku.edu.cn/struct/Projects/joint_rain_removal.html (light
and heavy rain, training and test set each). Put the archives, or what you unpacked, of one kind
into --source: rain_data_train_Light, rain_data_test_Light (L); ..._Heavy (H). Pairs are
norain/norain-1.png and rain/X2/norain-1x2.png.

The training images of Rain200L contain the test set of Rain100L; its test images are the training
images of Rain100L. To train on Rain200L and test on Rain100L all the same, name that test set:
--keep-out data/rain100L/test/clean leaves its scenes out.
Validation: the pairs of 100 training scenes.
"""

from prepare import DataSet, main

LICENCE = "derived from BSDS500: non-commercial research and education"
COUNTS = {"train": 1800, "test": 200}
RAIN200L = DataSet(
    "Rain200L",
    LICENCE,
    counts=COUNTS,
    val=100,
    known_leaks={"Rain100L": "its training images contain the test images of Rain100L"},
    ignore="heavy|rain200h",
)
RAIN200H = DataSet("Rain200H", LICENCE, counts=COUNTS, val=100, ignore="light|rain200l")

if __name__ == "__main__":
    main(__doc__, RAIN200L, RAIN200H)
