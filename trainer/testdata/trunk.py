# Computes a trunk in PyTorch from the safetensors file that export wrote: the taps of a picture, values
# ((7 y + 3 x + 11 c) mod 19 - 9) / 9, as float32 [channel][row][column] on standard output.
import json
import struct
import sys

import numpy
import torch
import torch.nn.functional as F

with open(sys.argv[1], "rb") as f:
    header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
    data = f.read()
meta = header.pop("__metadata__")
assert meta["smooth"] == "false"
value = {
    k: torch.from_numpy(numpy.frombuffer(data[slice(*v["data_offsets"])], "<f4").reshape(v["shape"]).copy())
    for k, v in header.items()
}


def layer(x, name, stride=1):
    w = value[name + ".conv.weight"]
    x = F.conv2d(x, w, stride=stride, padding=w.shape[2] // 2)
    return F.batch_norm(x, *(value[name + ".norm." + k] for k in ("running_mean", "running_var", "weight", "bias")),
                        eps=float(meta["norm_eps"]))


torch.set_num_threads(1)
y, x, c = (torch.arange(n) for n in (64, 64, 3))
x = ((7 * y[:, None] + 3 * x) + 11 * c[:, None, None]) % 19
x = ((x.float() - 9) / 9)[None]
x = F.relu(layer(x, "stem1", 2))
x = F.relu(layer(x, "stem2", 2))
for s in (1, 2, 3):
    for b in range(1, int(meta["blocks%d" % s]) + 1):
        name = "stage%d.block%d." % (s, b)
        stride = 2 if s > 1 and b == 1 else 1
        p = layer(F.relu(layer(x, name + "conv1", stride)), name + "conv2")
        p = p + (layer(x, name + "skip", stride) if name + "skip.conv.weight" in value else x)
        x = F.relu(p)
    name = "stage%d.projection." % s
    if name + "weight" in value:
        p = F.conv2d(p, value[name + "weight"], value[name + "bias"])
    sys.stdout.buffer.write(p[0].numpy().astype("<f4").tobytes())
