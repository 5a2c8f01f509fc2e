"""RainCityscapes: Cityscapes photographs with rain by depth, 36 versions of each.

    python data_scripts/rain_cityscapes.py --source downloads --out data/rain --subset cclgan

Hu, Fu, Zhu, Heng: "Depth-attentional features for single-image rain removal" (DAF-Net), CVPR 2019;
Cordts et al.: "The Cityscapes dataset for semantic urban scene understanding", CVPR 2016.
Cityscapes' licence: non-commercial research and teaching, no redistribution.

Register at https://www.cityscapes-dataset.com (for the rain, ask there for permission) and put
into --source, as they are (only the files that are used are unpacked):

    leftImg8bit_trainval_rain.zip    21 GB   262 training and 33 test photographs x 36
    leftImg8bit_trainvaltest.zip     11 GB   their truths

The zip's `val` is the test set of the literature and test here. Validation: 25 of the training
photographs.

--subset cclgan: 1,400 training and 175 test images, the sizes of CCLGAN, whose list was never
published. Ours takes 7 of the 36 versions of 200 training and of 25 test photographs (and of the
25 for validation): 7 is the only number of versions that gives both sizes with the same number of
versions for all and uses more than 60 photographs. The draw stands in the manifest.
"""

from prepare import ByName, DataSet, Take, main

PHOTO = r"([a-z-]+_\d+_\d+)(?:_leftImg8bit)?"

RAIN_CITYSCAPES = DataSet(
    name="RainCityscapes",
    licence="Cityscapes: non-commercial research and teaching, no redistribution",
    rule=ByName(
        rainy=rf"^{PHOTO}_rain_alpha_",
        clean=rf"^{PHOTO}$",
        roles=(r"_rain_alpha_", r"leftImg8bit/\w+/[a-z-]+/[a-z-]+_\d+_\d+_leftImg8bit\.png$"),
        versions=True,
        spare_clean=True,
    ),
    counts={"train": 262 * 36, "test": 33 * 36},
    splits={"val": "test"},
    val=25,
    subsets={
        "cclgan": {
            "train": Take(scenes=200, each=7),
            "val": Take(scenes=25, each=7),
            "test": Take(scenes=25, each=7),
        }
    },
)

if __name__ == "__main__":
    main(__doc__, RAIN_CITYSCAPES)
