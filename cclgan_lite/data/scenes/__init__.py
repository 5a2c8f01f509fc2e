"""Generated street and country scenes with depth: clean images that may be shared freely.

A scene is painted from far to near (painter's algorithm) on one `Canvas`, which paints colour
and depth together. World axes in metres: X to the right, V up from the ground, Z ahead of the
camera, which stands at X = 0 and looks along Z. With focal length f, eye height h and horizon
row y_h, a point lands at

    x = x_c + f X / Z,    y = y_h + f (h - V) / Z.

Only three kinds of surface are needed: the ground (V = 0), walls along the road (constant X)
and cut-outs that face the camera (constant Z). Each is filled by a texture: a function from
metres on the surface to colour and opacity. Fractal noise gives the 1/f statistics of natural
images, and posts, rails, frames and trunks are thin, bright and upright like rain, so that a
network cannot derain by blurring alone.

`canvas` holds camera, light and painter; `buildings` and `props` draw one thing each; `street`
paints what lies behind them and puts a scene together.
"""

from cclgan_lite.data.scenes.canvas import SKY_DEPTH
from cclgan_lite.data.scenes.street import Description, render_described, render_scene

__all__ = ["SKY_DEPTH", "Description", "render_described", "render_scene"]
