"""Rain1400 (DDN data): 1,000 photographs with 14 kinds of rain each; 900 to train, 100 to test.

    python data_scripts/rain1400.py --source downloads/rain1400 --out data/rain1400

Fu, Huang, Zeng, Huang, Ding, Paisley: "Removing rain from single images via a deep detail
network", CVPR 2017. No licence is stated; the photographs come from UCID, BSDS500 and the web:
research only.

No registration; the link is on https://xueyangfu.github.io/projects/cvpr2017.html. Put the
archive, or what you unpacked, into --source:

    rainy_image_dataset/training/ground_truth/1.jpg ... rainy_image/1_1.jpg ... 1_14.jpg
    rainy_image_dataset/testing/...

Validation: all 14 versions of 50 training photographs.
"""

from prepare import ByName, DataSet, main

RAIN1400 = DataSet(
    name="Rain1400",
    licence="none stated; photographs of UCID, BSDS500 and the web: research only",
    rule=ByName(rainy=r"^(\d+)_\d+$", clean=r"^(\d+)$", versions=True),
    counts={"train": 12_600, "test": 1_400},
    val=50,
)

if __name__ == "__main__":
    main(__doc__, RAIN1400)
