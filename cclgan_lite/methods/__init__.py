"""Methods as data: networks, wiring and loss terms. The trainer knows none of them by name.

`METHODS` is how a run folder finds its method again.
"""

from cclgan_lite.methods.cclgan import CCLGAN
from cclgan_lite.methods.cut import CUT
from cclgan_lite.methods.cyclegan import CycleGAN

METHODS: dict[str, type] = {"CCLGAN": CCLGAN, "CycleGAN": CycleGAN, "CUT": CUT}
