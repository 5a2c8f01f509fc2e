"""Your own photographs, as pairs or as two unrelated folders.

    python data_scripts/own_folder.py --source my/photos --out data/mine
    python data_scripts/own_folder.py --kind unpaired --source my/photos --out data/mine

--kind paired: rainy/ and clean/ (or input/ and target/, ...) with equal names, or with train, val
and test folders around them; without these, all pairs are for training.
--kind unpaired: rainy/ and clean/ with whatever names, for training. Clean pictures that show the
scene of a rainy one are left out, so that training is strictly unpaired.

Check with --keep-out FOLDER that nothing is in it that you want to test on.
"""

from prepare import Alone, ByName, DataSet, main

PAIRED = DataSet("paired", "your own", rule=ByName(rainy="^(.+)$", clean="^(.+)$"))
UNPAIRED = DataSet("unpaired", "your own", rule=Alone())

if __name__ == "__main__":
    main(__doc__, PAIRED, UNPAIRED)
