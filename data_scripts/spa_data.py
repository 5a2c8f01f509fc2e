"""SPA-Data: real rain, truth from video; some 638,500 training patches and 1,000 test pairs.

    python data_scripts/spa_data.py --source downloads/spa --out data/spa --subset cclgan

Wang, Yang, Xu, Chen, Zhang, Lau: "Spatial attentive single-image deraining with a high quality
real rain dataset", CVPR 2019. BSD-style licence of its makers (License.txt beside the data).

No registration; links are on https://stevewongv.github.io/derain-project.html. Put into --source,
as they are (44 GB; the parts need not be joined, and only the files that are used are unpacked):

    real_world.zip.00 ... real_world.zip.11    real_world.txt
    real_test_1000.zip                         real_test_1000.txt

The lists say which files pair. Published counts of the training files disagree (638,492, 638,493,
638,500): pairs of the list that the archives lack are an error that counts them;
--allow-incomplete leaves them out and lists them in the manifest.

--subset cclgan: 2,000 training and 200 test pairs, the sizes of CCLGAN, whose list was never
published; ours is drawn by lot and stands in the manifest. Validation: 200 pairs of 15 videos
that training does not see.
"""

from prepare import ByList, DataSet, Take, main

SPA_DATA = DataSet(
    name="SPA-Data",
    licence="BSD-style, (c) 2019 Dalian University of Technology, City University of Hong Kong",
    rule=ByList(
        lists={"train": r"^real_world\.txt$", "test": r"^real_test_1000\.txt$"},
        scene=r"real_world/(\d+)/",  # the video
    ),
    counts={"test": 1000},
    val=15,
    subsets={
        "cclgan": {"train": Take(files=2000), "val": Take(files=200), "test": Take(files=200)}
    },
)

if __name__ == "__main__":
    main(__doc__, SPA_DATA)
