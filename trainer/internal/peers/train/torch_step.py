"""Training steps of the trunk in PyTorch, driven over stdin by package main beside it.

torch_step.py DIR THREADS LAYOUT WIDTH BLOCKS BATCH SIZE RATE DECAY: DIR holds w.bin, x.bin and t.bin, float32: all
parameters (convolutions [out][in][k][k]), pictures and targets [n][c][h][w]. A line N runs N steps and answers {"wall": ms
of each, "cpu": ms of each}; a line "gradient" writes g.bin, w.bin's gradients, and
g64.bin, the same computed in float64, and answers {"loss": value}, without a step.
"""
import copy
import json
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class ConvNorm(nn.Module):
    def __init__(self, cin, cout, kernel, stride):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel, stride, (kernel - 1) // 2, bias=False)
        self.norm = nn.BatchNorm2d(cout)

    def forward(self, x):
        return self.norm(self.conv(x))


class Block(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1 = ConvNorm(cin, cout, 3, stride)
        self.conv2 = ConvNorm(cout, cout, 3, 1)
        self.skip = ConvNorm(cin, cout, 1, stride) if cin != cout or stride != 1 else None

    def forward(self, x):
        y = self.conv2(F.relu(self.conv1(x), inplace=True))
        return y + (x if self.skip is None else self.skip(x))


class Trunk(nn.Module):
    def __init__(self, width, blocks):
        super().__init__()
        self.stem = nn.ModuleList([ConvNorm(3, width, 3, 2), ConvNorm(width, width, 3, 2)])
        self.stages = nn.ModuleList()
        cin = width
        for i, n in enumerate(blocks):
            stage = nn.ModuleList()
            for j in range(n):
                stage.append(Block(cin, width << i, 2 if i > 0 and j == 0 else 1))
                cin = width << i
            self.stages.append(stage)

    def forward(self, x):
        for s in self.stem:
            x = F.relu(s(x), inplace=True)
        taps = []
        for stage in self.stages:
            for block in stage:
                p = block(x)
                x = F.relu(p)
            taps.append(p)
        return taps


def main():
    where, threads, layout, width, blocks, batch, size, rate, decay = sys.argv[1:]
    torch.set_num_threads(int(threads))
    batch, size, width = int(batch), int(size), int(width)
    form = torch.channels_last if layout == "channels_last" else torch.contiguous_format

    def read(name):
        return torch.from_numpy(np.fromfile(f"{where}/{name}", dtype="<f4"))

    net = Trunk(width, [int(b) for b in blocks.split(",")])
    params = list(net.parameters())
    flat, at = read("w.bin"), 0
    with torch.no_grad():
        for p in params:
            p.copy_(flat[at:at + p.numel()].view(p.shape))
            at += p.numel()
    assert at == flat.numel(), "parameters differ in number"
    net = net.to(memory_format=form)
    params = list(net.parameters())
    x = read("x.bin").view(batch, 3, size, size).contiguous(memory_format=form)
    all_targets, targets, at = read("t.bin"), [], 0
    for i in range(3):
        shape = (batch, width << i, size >> (2 + i), size >> (2 + i))
        n = int(np.prod(shape))
        targets.append(all_targets[at:at + n].view(shape).contiguous(memory_format=form))
        at += n
    opt = torch.optim.AdamW(
        [{"params": [p for p in params if p.dim() == 4], "weight_decay": float(decay)},
         {"params": [p for p in params if p.dim() != 4], "weight_decay": 0.0}], lr=float(rate))

    def gradient():
        opt.zero_grad(set_to_none=True)
        loss = sum(0.5 * F.mse_loss(p, t) for p, t in zip(net(x), targets))
        loss.backward()
        return loss

    print(json.dumps({"version": torch.__version__}), flush=True)
    for line in sys.stdin:
        if line.strip() == "gradient":
            loss = gradient().item()
            np.concatenate([p.grad.contiguous().numpy().ravel() for p in params]).tofile(f"{where}/g.bin")
            exact = copy.deepcopy(net).double()
            sum(0.5 * F.mse_loss(p, t.double()) for p, t in zip(exact(x.double()), targets)).backward()
            np.concatenate([p.grad.contiguous().numpy().ravel() for p in exact.parameters()]).tofile(f"{where}/g64.bin")
            print(json.dumps({"loss": loss}), flush=True)
            del exact
            continue
        wall, cpu = [], []
        for _ in range(int(line)):
            w, c = time.perf_counter(), time.process_time()
            gradient()
            opt.step()
            wall.append(1e3 * (time.perf_counter() - w))
            cpu.append(1e3 * (time.process_time() - c))
        print(json.dumps({"wall": wall, "cpu": cpu}), flush=True)


main()
