#!/usr/bin/python3
"""Reference values of the formula bank, from its first implementation in PyTorch.

usage: bank.py FORM.PY > bank.f32     FORM.PY: prototypes/recipe/form.py

Input: x[c][y][x] = ((7x + 13y + 29c + 3xy) mod 256)/255, 48 high, 32 wide.
Output: float32 little endian, stage after stage, each [h][w][c].
"""
import importlib.util, sys
import numpy as np, torch
spec = importlib.util.spec_from_file_location("form", sys.argv[1])
form = importlib.util.module_from_spec(spec)
spec.loader.exec_module(form)
c, y, x = np.meshgrid(np.arange(3), np.arange(48), np.arange(32), indexing="ij")
pic = ((7 * x + 13 * y + 29 * c + 3 * x * y) % 256 / 255).astype(np.float32)
with torch.no_grad():
    for m in form.bank(torch.from_numpy(pic)[None]):
        sys.stdout.buffer.write(m[0].permute(1, 2, 0).numpy().astype("<f4").tobytes())
