"""Rain800: 700 training and 100 test pairs (the test set is also called Test100).

    python data_scripts/rain800.py --source downloads/rain800 --out data/rain800

Zhang, Sindagi, Patel: "Image de-raining using a conditional generative adversarial network"
(ID-CGAN), IEEE TCSVT 2020. No licence is stated; the photographs come from UCID and BSDS500:
research only.

No registration; the link is on https://github.com/hezhangsprinter/ID-CGAN. Put the archive, or
what you unpacked, into --source: training/ and test_syn/ (or any names with train and test).

Each JPEG holds a pair, the clean picture left and the rainy one right. The halves are cut as they
decode and saved as PNG, without a further loss. Validation: 50 training pairs.
"""

from prepare import DataSet, Halves, main

RAIN800 = DataSet(
    name="Rain800",
    licence="none stated; photographs of UCID and BSDS500: research only",
    rule=Halves(left="clean"),
    counts={"train": 700, "test": 100},
    val=50,
    ignore="nature|real",  # the authors' test_nature has no truth
)

if __name__ == "__main__":
    main(__doc__, RAIN800)
