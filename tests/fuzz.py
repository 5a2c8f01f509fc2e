"""Coverage-guided damage (pip install atheris) of one kind of file of tests/test_inputs.py:

python tests/fuzz.py test_pictures -runs=100000
"""

import sys
from pathlib import Path

import atheris

sys.path.append(str(Path(__file__).parents[1] / "data_scripts"))
with atheris.instrument_imports(include=["cclgan_lite", "prepare", "PIL"]):
    import test_inputs

if __name__ == "__main__":
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, getattr(test_inputs, name).hypothesis.fuzz_one_input)
    atheris.Fuzz()
