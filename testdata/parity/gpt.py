#!/usr/bin/env python3
"""The GPT of examples/models in PyTorch.

    python3 gpt.py trajectory
        trains a small one for 50 steps on batches that the test in package proof
        makes as well, and writes beside itself PyTorch's first weights,
        gpt_init.safetensors, and the losses, gpt_losses.txt

    python3 gpt.py curve --weights INIT.safetensors --text FILE --out CURVE.csv
        trains as examples/gpt does, from the same first weights ("gpt -epochs 0
        -save INIT.safetensors") on the same batches in the same order, and writes
        the losses of training and of validation after every epoch

Made with PyTorch 2.15.0 on a CPU.
"""
import argparse
import csv
import math
import os
import time

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

HERE = os.path.dirname(os.path.abspath(__file__))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = (p.reshape(b, t, self.heads, -1).transpose(1, 2) for p in self.qkv(self.ln1(x)).split(d, -1))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.proj(y.transpose(1, 2).reshape(b, t, d))
        return x + self.fc2(F.gelu(self.fc1(self.ln2(x)), approximate="tanh"))


class GPT(nn.Module):
    def __init__(self, vocabulary, context, width, heads, layers):
        super().__init__()
        self.tok_emb, self.pos_emb = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.ln, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary, bias=False)

    def forward(self, ids):
        x = self.tok_emb(ids) + self.pos_emb.weight[: ids.shape[1]]
        for b in self.blocks:
            x = b(x)
        return self.head(self.ln(x))


def optimizer(m, lr):
    decayed = [p for p in m.parameters() if p.dim() > 1]
    others = [p for p in m.parameters() if p.dim() <= 1]
    return torch.optim.AdamW([dict(params=decayed), dict(params=others, weight_decay=0.0)], lr=lr, weight_decay=0.1)


def rate(n, rise, steps):
    """The factor of the learning rate of update n, from 0."""
    if n < rise:
        return 1 / rise + (1 - 1 / rise) * n / rise
    return 0.1 + 0.9 * (1 + math.cos(math.pi * min((n - rise) / max(1, steps - rise), 1))) / 2


def train_step(m, o, lr, ids, labels):
    for g in o.param_groups:
        g["lr"] = lr
    loss = F.cross_entropy(m(ids).flatten(0, 1), labels.flatten())
    o.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(m.parameters(), 1.0)
    o.step()
    return loss.item()


def hashed(i):
    m = 0xFFFFFFFF
    h = i * 2654435761 & m
    h ^= h >> 16
    h = h * 0x85EBCA6B & m
    return h ^ h >> 13


def small_batch(step, batch, context, vocabulary):
    """Texts in which a token mostly tells the next one."""
    rows = []
    for r in range(batch):
        t = hashed(1000 * step + r) % vocabulary
        row = [t]
        for i in range(context):
            t = (5 * t + hashed(100000 + 10000 * step + 100 * r + i) % 3) % vocabulary
            row.append(t)
        rows.append(row)
    x = torch.tensor(rows)
    return x[:, :-1], x[:, 1:]


def trajectory():
    torch.set_num_threads(1)
    torch.manual_seed(1)
    vocabulary, context, batch = 24, 16, 4
    m = GPT(vocabulary, context, width=16, heads=2, layers=2)
    save_file(m.state_dict(), os.path.join(HERE, "gpt_init.safetensors"))
    o = optimizer(m, 0.01)
    with open(os.path.join(HERE, "gpt_losses.txt"), "w") as f:
        for i in range(50):
            f.write(f"{train_step(m, o, 0.01 * rate(i, 5, 50), *small_batch(i, batch, context, vocabulary)):.9g}\n")


# The order of batches of dumbtorch/nn/data: SplitMix64 and Lemire's method.
M64 = (1 << 64) - 1
GAMMA = 0x9E3779B97F4A7C15


def mix(z):
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & M64
    z = (z ^ z >> 27) * 0x94D049BB133111EB & M64
    return z ^ z >> 31


def shuffle(n, seed, epoch):
    state = mix((mix((seed + GAMMA) & M64) + epoch * GAMMA) & M64)

    def below(n):
        nonlocal state
        while True:
            state = (state + GAMMA) & M64
            p = mix(state) * n
            if p & M64 >= (1 << 64) % n:
                return p >> 64

    order = list(range(n))
    for i in range(n - 1, 0, -1):
        j = below(i + 1)
        order[i], order[j] = order[j], order[i]
    return order


def curve(a):
    torch.set_num_threads(a.threads)
    text = open(a.text, encoding="utf-8").read()
    characters = sorted(set(text))
    number = {c: i for i, c in enumerate(characters)}
    data = torch.tensor([number[c] for c in text])
    cut = len(data) - len(data) // 10
    state = load_file(a.weights)
    context, width = state["pos_emb.weight"].shape
    m = GPT(len(characters), context, width, a.heads, 1 + max(int(k.split(".")[1]) for k in state if k.startswith("blocks.")))
    m.load_state_dict(state)

    def windows(part):
        n = (len(part) - 1) // context
        return [(part[i * context:(i + 1) * context], part[i * context + 1:(i + 1) * context + 1]) for i in range(n)]

    training, validation = windows(data[:cut]), windows(data[cut:])
    per_epoch = len(training) // a.batch
    steps = a.epochs * per_epoch
    rise = min(100, max(1, steps // 10))
    o = optimizer(m, a.lr)
    out = csv.writer(open(a.out, "w", newline=""))
    out.writerow(["step", "loss", "valid"])

    def stack(samples):
        return torch.stack([s[0] for s in samples]), torch.stack([s[1] for s in samples])

    n = 0
    for epoch in range(a.epochs):
        order, total, start = shuffle(len(training), a.seed, epoch), 0.0, time.time()
        for i in range(per_epoch):
            ids, labels = stack([training[k] for k in order[i * a.batch:(i + 1) * a.batch]])
            total += train_step(m, o, a.lr * rate(n, rise, steps), ids, labels)
            n += 1
        took = time.time() - start
        with torch.no_grad():
            loss = sum(F.cross_entropy(m(s[0][None]).flatten(0, 1), s[1]).item() for s in validation) / len(validation)
        out.writerow([n, f"{total / per_epoch:.6f}", f"{loss:.6f}"])
        print(f"epoch {epoch + 1}: loss {total / per_epoch:.4f}, valid {loss:.4f}, {took / per_epoch * 1e3:.1f} ms a step", flush=True)


ap = argparse.ArgumentParser()
ap.add_argument("what", choices=["trajectory", "curve"])
ap.add_argument("--weights")
ap.add_argument("--text")
ap.add_argument("--out")
ap.add_argument("--epochs", type=int, default=5)
ap.add_argument("--batch", type=int, default=16)
ap.add_argument("--heads", type=int, default=4)
ap.add_argument("--lr", type=float, default=1e-3)
ap.add_argument("--seed", type=int, default=1)
ap.add_argument("--threads", type=int, default=2)
args = ap.parse_args()
if args.what == "trajectory":
    trajectory()
else:
    curve(args)
