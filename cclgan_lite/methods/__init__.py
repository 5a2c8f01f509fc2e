"""Methods as data: networks, wiring and loss terms. The trainer knows none of them by name.

base.py        what a method is
cclgan.py      CCLGAN, eq. 11
two_way.py     what the next five share
cyclegan.py    CycleGAN
deraincyclegan.py  DerainCycleGAN
dclgan.py      DCLGAN
dcdgan.py      DCD-GAN
cddgan.py      CDD-GAN
cut.py         CUT and FastCUT
two_layers.py  what the next two share
nlcl.py        NLCL
udgnet.py      UDGNet
supervised.py  pairs, for ceilings
veil.py        CCLGAN on squares of pixels, for `adapt`
operators.py   images made of images without a network
"""

from cclgan_lite.methods.base import Made, Method, Pass, Player
from cclgan_lite.methods.cclgan import CCLGAN
from cclgan_lite.methods.cddgan import CDDGAN
from cclgan_lite.methods.cut import CUT, FastCUT
from cclgan_lite.methods.cyclegan import CycleGAN
from cclgan_lite.methods.dcdgan import DCDGAN
from cclgan_lite.methods.dclgan import DCLGAN
from cclgan_lite.methods.deraincyclegan import DerainCycleGAN
from cclgan_lite.methods.nlcl import NLCL
from cclgan_lite.methods.supervised import Supervised
from cclgan_lite.methods.udgnet import UDGNet

__all__ = [
    "CCLGAN",
    "CDDGAN",
    "CUT",
    "DCDGAN",
    "DCLGAN",
    "NLCL",
    "CycleGAN",
    "DerainCycleGAN",
    "FastCUT",
    "Made",
    "Method",
    "Pass",
    "Player",
    "Supervised",
    "UDGNet",
]
