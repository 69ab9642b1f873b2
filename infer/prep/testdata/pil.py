#!/usr/bin/python3
"""Pictures resized by PIL, the reference of package prep's filter.

usage: pil.py > pil.bin

Input: grey 40 wide, 28 high, value (7x + 13y + 3xy) mod 256. Output, bytes: resized with
BILINEAR to 11x9, to 64x50, and its box (5, 3)-(33, 25) to 16x16.
"""
import sys
from PIL import Image
img = Image.new("L", (40, 28))
img.putdata([(7 * x + 13 * y + 3 * x * y) % 256 for y in range(28) for x in range(40)])
for size, box in [((11, 9), None), ((64, 50), None), ((16, 16), (5, 3, 33, 25))]:
    part = img if box is None else img.crop(box)
    sys.stdout.buffer.write(part.resize(size, Image.BILINEAR).tobytes())
