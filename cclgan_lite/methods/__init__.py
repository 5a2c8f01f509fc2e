"""Methods as data: networks, wiring and loss terms. The trainer knows none of them by name.

base.py        what a method is
cclgan.py      CCLGAN, eq. 11
cyclegan.py    CycleGAN
cut.py         CUT
operators.py   images made of images without a network
"""

from cclgan_lite.methods.base import Made, Method, Pass, Player
from cclgan_lite.methods.cclgan import CCLGAN
from cclgan_lite.methods.cut import CUT
from cclgan_lite.methods.cyclegan import CycleGAN

__all__ = ["CCLGAN", "CUT", "CycleGAN", "Made", "Method", "Pass", "Player"]
