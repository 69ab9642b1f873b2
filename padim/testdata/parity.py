#!/usr/bin/python3
"""Independent PaDiM in numpy and scipy; writes the vectors parity_test.go holds padim against.

    /usr/bin/python3 padim/testdata/parity.py > padim/testdata/parity.json

Needs numpy and scipy (Debian: python3-numpy, python3-scipy). Written from the papers and
doc/method.md, not from the Go code. All arithmetic is float64.
"""
import json

import numpy as np
from scipy.ndimage import gaussian_filter

SIZE, TRAIN, TEST = 64, 12, 3
STAGES = [(4, 8), (8, 12), (16, 16)]  # stride, channels
U = np.uint64


def mix(z):
    """SplitMix64's finaliser."""
    with np.errstate(over="ignore"):
        z = (z ^ (z >> U(30))) * U(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> U(27))) * U(0x94D049BB133111EB)
        return z ^ (z >> U(31))


def draw(n, *keys):
    """Integers 0..n-1 that depend on the keys."""
    z = np.zeros(np.broadcast(*keys).shape, U)
    for k in keys:
        z = mix(z ^ (np.asarray(k).astype(U) + U(0x9E3779B97F4A7C15)))
    return (z % U(n)).astype(np.int64)


def picture(i):
    """Maps [h][w][c] of picture i as int8 values, and steps [c]."""
    maps, steps = [], []
    for s, (stride, ch) in enumerate(STAGES):
        side = SIZE // stride
        p = np.arange(side * side).reshape(side, side, 1)
        c = np.arange(ch).reshape(1, 1, ch)
        v = draw(81, s, p, c) - 40
        v = v + (draw(31, 100 + i, s, c) - 15) * (1 + c % 2)
        v = v + draw(29, 200 + i, s, p, c) - 14
        maps.append(np.clip(v, -127, 127))
        steps.append((1 + np.arange(ch) % 5) * 2.0**-6)
    return maps, steps


def embed(maps, steps, cell, scale=None):
    """[h][w][channels]: mean over a cell's positions, or nearest repetition."""
    out = []
    for s, (m, (stride, ch)) in enumerate(zip(maps, STAGES)):
        f = m * steps[s] if scale is None else m * steps[s] / scale[s]
        if stride < cell:
            k, h = cell // stride, f.shape[0] * stride // cell
            f = f.reshape(h, k, h, k, ch).mean(axis=(1, 3))
        elif stride > cell:
            f = f.repeat(stride // cell, 0).repeat(stride // cell, 1)
        out.append(f)
    return np.concatenate(out, 2)


def mean3x3(f):
    p = np.pad(f, ((1, 1), (1, 1), (0, 0)), mode="edge")
    h, w = f.shape[:2]
    return sum(p[a : a + h, b : b + w] for a in range(3) for b in range(3)) / 9


def norm(x, mu, cov):
    d = x - mu
    return np.sqrt(max(d @ np.linalg.solve(cov, d), 0))


def resize(m, size):
    """Bilinear, half-pixel centres, edge continued (torch, align_corners=False)."""
    n = m.shape[0]
    x = np.clip((np.arange(size) + 0.5) * n / size - 0.5, 0, None)
    a = np.minimum(x.astype(int), n - 1)
    b, f = np.minimum(a + 1, n - 1), x - a
    m = m[a] * (1 - f)[:, None] + m[b] * f[:, None]
    return m[:, a] * (1 - f) + m[:, b] * f


def stock(channels):
    train = np.stack([embed(*picture(i), 4)[..., channels] for i in range(TRAIN)])
    res = []
    for t in range(TEST):
        x = embed(*picture(1000 + t), 4)[..., channels]
        m = np.zeros(x.shape[:2])
        for r in range(x.shape[0]):
            for c in range(x.shape[1]):
                s = train[:, r, c]
                cov = np.cov(s, rowvar=False) + 0.01 * np.eye(len(channels))
                m[r, c] = norm(x[r, c], s.mean(0), cov)
        big = gaussian_filter(resize(m, SIZE), sigma=4)
        res.append({"score": big.max(), "map": big[::5, ::7].ravel().tolist()})
    # Leave-one-out by doing it.
    loo = []
    for i in range(TRAIN):
        rest, x = np.delete(train, i, 0), train[i]
        m = np.zeros(x.shape[:2])
        for r in range(x.shape[0]):
            for c in range(x.shape[1]):
                s = rest[:, r, c]
                cov = np.cov(s, rowvar=False) + 0.01 * np.eye(len(channels))
                m[r, c] = norm(x[r, c], s.mean(0), cov)
        loo.append(gaussian_filter(resize(m, SIZE), sigma=4).max())
    return {"channels": channels, "results": res, "left_out": loo}


def ours(mode, shrink=0.3, region=5, search=True, mask=None, cell=8):
    """Every channel, standardised, 3x3 mean, ridge 0.01, sigma 0.5 cell, mean of the top 2 %."""
    pics = [picture(i) for i in range(TRAIN)]
    g = SIZE // cell
    keep = np.ones((g, g), bool) if mask is None else ~mask
    scale = []
    for s, (stride, ch) in enumerate(STAGES):
        step = pics[0][1][s]
        k = keep.repeat(cell, 0).repeat(cell, 1)
        n = SIZE // stride
        k = k.reshape(n, stride, n, stride).any(axis=(1, 3))
        v = np.stack([m[s][k] for m, _ in pics])
        scale.append(np.sqrt(v.reshape(-1, ch).var(0) + 1 / 12) * step)
    feats = np.stack([mean3x3(embed(*p, cell, scale)) for p in pics])
    d = feats.shape[-1]
    # Variance of the quantiser per dimension.
    noise = []
    for s, (stride, ch) in enumerate(STAGES):
        n = max(cell // stride, 1) ** 2
        noise.append((pics[0][1][s] / scale[s]) ** 2 / 12 / n)
    noise = np.concatenate(noise)

    def gaussians():
        if mode == "texture":
            rows = feats[:, keep]
            rows = rows.reshape(-1, d)
            c = np.cov(rows, rowvar=False)
            c = c + np.diag(np.maximum(0.01 * np.trace(c) / d, noise))
            return np.broadcast_to(rows.mean(0), (g, g, d)), np.broadcast_to(c, (g, g, d, d))
        own_mean = feats.mean(0)
        common = np.zeros((d, d))
        for r, c in np.argwhere(keep):
            common += np.cov(feats[:, r, c], rowvar=False)
        common /= keep.sum()
        ridge = np.diag(np.maximum(0.01 * np.trace(common) / d, noise))
        own = np.zeros((g, g, d, d))
        for r, c in np.argwhere(keep):
            own[r, c] = np.cov(feats[:, r, c], rowvar=False)
        t = region / (region + TRAIN - 1)
        cov = np.zeros((g, g, d, d))
        for r, c in np.argwhere(keep):
            around = [own[a, b] for a in range(r - 2, r + 3) for b in range(c - 2, c + 3)
                      if 0 <= a < g and 0 <= b < g and keep[a, b]]
            local = (1 - t) * own[r, c] + t * np.mean(around, 0)
            cov[r, c] = (1 - shrink) * local + shrink * common + ridge
        return own_mean, cov

    mu, cov = gaussians()
    res = []
    for t in range(TEST):
        x = mean3x3(embed(*picture(1000 + t), cell, scale))
        m = np.zeros((g, g))
        for r, c in np.argwhere(keep):
            m[r, c] = norm(x[r, c], mu[r, c], cov[r, c])
            nearby = 1.3 * np.sqrt(d)
            if mode == "part" and search and m[r, c] > nearby:
                around = min(norm(x[r, c], mu[a, b], cov[a, b])
                             for a in range(r - 1, r + 2) for b in range(c - 1, c + 2)
                             if 0 <= a < g and 0 <= b < g and keep[a, b])
                m[r, c] = max(around, nearby)
        k = keep.astype(float)
        m = gaussian_filter(m, sigma=0.5) / np.maximum(gaussian_filter(k, sigma=0.5), 1e-9) * k
        top = int(np.ceil(0.02 * keep.sum()))
        res.append({"score": np.sort(m.ravel())[-top:].mean(), "map": m.ravel().tolist()})
    return {"results": res}


rng = np.random.default_rng(1)
mask = np.zeros((8, 8), bool)
mask[:3, 5:] = True
mask[6, 2] = True
out = {
    "stock": stock(sorted(rng.choice(36, 20, replace=False).tolist())),
    "part": ours("part"),
    "shared": ours("part", shrink=1),
    "noregion": ours("part", region=0),
    "nosearch": ours("part", search=False),
    "texture": ours("texture"),
    "masked": dict(ours("part", mask=mask), mask=mask.ravel().tolist()),
    "masked_texture": dict(ours("texture", mask=mask), mask=mask.ravel().tolist()),
    "cell16": ours("part", cell=16),
}


def short(v):
    if isinstance(v, dict):
        return {k: short(x) for k, x in v.items()}
    if isinstance(v, list):
        return [short(x) for x in v]
    return v if isinstance(v, (bool, int)) else float(f"{v:.9g}")


print(json.dumps(short(out)).replace('}, "', '},\n"'))
