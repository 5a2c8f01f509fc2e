"""Rain12: 12 pairs, for testing only.

    python data_scripts/rain12.py --source downloads/rain12 --out data/rain12

Li, Tan, Guo, Lu, Brown: "Rain streak removal using layer priors", CVPR 2016. No licence is
stated: research only.

No registration. Where --source does not exist, the archive is downloaded into it from the address
below, which the deraining literature cites. Its makers publish no checksum: the one of your copy
is in the manifest. A rainy and a clean picture pair by number, in folders or with endings that say
which is which (rainy, rain, input, _in; groundtruth, gt, clean, _GT).
"""

from prepare import DataSet, main

RAIN12 = DataSet(
    name="Rain12",
    licence="none stated: research only",
    counts={"test": 12},
    links=("http://yu-li.github.io/paper/li_cvpr16_rain.zip",),
)

if __name__ == "__main__":
    main(__doc__, RAIN12)
