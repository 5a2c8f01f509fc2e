"""Rain100L (the old version, the one papers use): 200 training and 100 test pairs, light rain.

    python data_scripts/rain100l.py --source downloads/rain100L --out data/rain100L

Yang, Tan, Feng, Liu, Guo, Yan: "Deep joint rain detection and removal from a single image",
CVPR 2017. Photographs of BSDS500: free for non-commercial research and education.

No registration. The authors' page now has the new version, which is Rain200L here (rain200.py):
http://www.icst.pku.edu.cn/struct/Projects/joint_rain_removal.html. The old one lives on in the
repositories of deraining papers; put what you got into --source, as archives or unpacked. Any of
these layouts will do, training and test set in folders (or archives) with train and test in their
names:

    norain-001.png and rain-001.png    norain/norain-1.png and rain/norain-1.png
    norain/norain-1.png and rain/X2/norain-1x2.png    clean/001.jpg and rainy/001.webp

Validation: training pairs 161-200. With a folder unpaired_clean/ of photographs of other scenes,
--unpaired trains on rainy 001-160 and on these.
Never train on Rain200L to test here: its training images contain this test set.
"""

from prepare import DataSet, main

RAIN100L = DataSet(
    name="Rain100L",
    licence="derived from BSDS500: non-commercial research and education",
    counts={"train": 200, "test": 100},
    val=40,
    val_last=True,
    known_leaks={"Rain200L": "its training images are the test images of Rain200L"},
)

if __name__ == "__main__":
    main(__doc__, RAIN100L)
