"""What weather, water and sensors do to pictures: one file for each kind, one line in a table.

base.py         the interface
kinds.py        the table
veiled_rain.py  streaks in RainCityscapes' veil
haze.py         Koschmieder's law
snow.py         flakes at their distances, and the veil of those too far away to be seen
noise.py        photons and read-out
underwater.py   water that takes red before blue

Streaks in clear air are `cclgan_lite/data/rain.py`.
"""
