#!/usr/bin/env python3
"""Losses of 50 training steps of two convolutional classifiers in PyTorch, for
package proof: conv 3x3, ReLU, max pooling 2, twice, then two linear layers.

The first column is of the MNIST classifier with batches of 16, the second of a
small one with batches of 8. Weights and batches come from a hash that the test
computes as well, so that only the losses are kept. Made with PyTorch 2.15.0 on
a CPU:

    python3 cnn.py > cnn_losses.txt
"""
import numpy as np
import torch
import torch.nn.functional as F

from mlp import uniform

torch.set_num_threads(1)


def losses(side, channels, hidden, batch, lr, steps=50):
    c1, c2 = channels
    params = []
    for i, shape in enumerate([(c1, 1, 3, 3), (c1,), (c2, c1, 3, 3), (c2,), (hidden, c2 * (side // 4)**2), (hidden,), (10, hidden), (10,)]):
        if i % 2 == 0:
            bound = np.float32(1 / np.sqrt(np.prod(shape[1:])))
        params.append(torch.tensor(uniform(1 + i, *shape) * bound, requires_grad=True))
    w1, b1, w2, b2, w3, b3, w4, b4 = params
    opt = torch.optim.SGD(params, lr=lr, momentum=0.9)
    for step in range(steps):
        # noise, and a bright row at the height that the label tells
        x = torch.tensor(uniform(1000 + step, batch, 1, side, side))
        y = (torch.arange(batch) * 7 + step) % 10
        x[torch.arange(batch), 0, y * side // 10] += 1
        h = F.max_pool2d(F.conv2d(x, w1, b1, padding=1).relu(), 2)
        h = F.max_pool2d(F.conv2d(h, w2, b2, padding=1).relu(), 2)
        h = F.linear(F.linear(h.flatten(1), w3, b3).relu(), w4, b4)
        loss = F.cross_entropy(h, y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        yield loss.item()


if __name__ == "__main__":
    for mnist, small in zip(losses(28, (32, 64), 128, 16, 0.02), losses(8, (3, 4), 8, 8, 0.1)):
        print(f"{mnist:.9g} {small:.9g}")
