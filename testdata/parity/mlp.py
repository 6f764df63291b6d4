#!/usr/bin/env python3
"""Losses of 50 training steps of two perceptrons in PyTorch, for package proof.

The first column is of the MNIST MLP with batches of 128, the second of a small
one with batches of 16. Weights and batches come from a hash that the test
computes as well, so that only the losses are kept. Made with PyTorch 2.15.0 on
a CPU:

    python3 mlp.py > mlp_losses.txt
    python3 mlp.py bf16 > mlp_bf16_losses.txt     # with torch.autocast
"""
import sys

import numpy as np
import torch

torch.set_num_threads(1)


def uniform(seed, *shape):
    """Uniform numbers in [-1, 1), f32, from a hash of the flat index."""
    h = np.arange(np.prod(shape), dtype=np.uint64) + np.uint64(seed * 0x9E3779B9)
    m = np.uint64(0xFFFFFFFF)
    h = (h & m) * np.uint64(2654435761) & m
    h ^= h >> np.uint64(16)
    h = h * np.uint64(0x85EBCA6B) & m
    h ^= h >> np.uint64(13)
    u = (h >> np.uint64(8)).astype(np.float64) / 2**23 - 1
    return u.astype(np.float32).reshape(shape)


def losses(sizes, batch, steps=50):
    params = []
    for i, (n, m) in enumerate(zip(sizes, sizes[1:])):
        bound = np.float32(1 / np.sqrt(n))
        for j, shape in enumerate([(m, n), (m,)]):
            params.append(torch.tensor(uniform(1 + 2 * i + j, *shape) * bound, requires_grad=True))
    opt = torch.optim.SGD(params, lr=0.1, momentum=0.9)
    for step in range(steps):
        x = torch.tensor(uniform(1000 + step, batch, sizes[0]))
        # labels that can be learned: the largest of the first ten inputs
        y = x[:, :10].argmax(1)
        h = x
        for i in range(3):
            with torch.autocast("cpu", torch.bfloat16, enabled="bf16" in sys.argv):
                h = torch.nn.functional.linear(h, params[2 * i], params[2 * i + 1])
                if i < 2:
                    h = h.relu()
        loss = torch.nn.functional.cross_entropy(h.float(), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        yield loss.item()


if __name__ == "__main__":
    for mnist, small in zip(losses([784, 512, 256, 10], 128), losses([30, 24, 16, 10], 16)):
        print(f"{mnist:.9g} {small:.9g}")
