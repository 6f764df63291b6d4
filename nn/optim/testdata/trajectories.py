#!/usr/bin/env python3
"""What torch.optim does, for the tests of package optim.

Two parameters, p of 3 numbers and q of 2x2, get gradients that do not depend on
them: the numbers of uniform(), times a constant per element. Written are the
parameters after some of 50 updates, the factors of learning rate schedules,
and the scales of torch.amp.GradScaler. Lion is the update of its paper in
torch's arithmetic, since torch.optim has none.

    python3 trajectories.py    # writes trajectories.json beside itself
"""
import json
import os
import warnings

import torch
from torch.optim import lr_scheduler as sched

warnings.filterwarnings("ignore")
torch.set_num_threads(1)
STEPS = 50
SHOWN = [1, 2, 3, 5, 10, 20, 30, 40, 50]


def uniform(seed, n):
    out = []
    for i in range(n):
        h = (i + seed * 0x9E3779B9) & 0xFFFFFFFF
        h = (h * 2654435761) & 0xFFFFFFFF
        h ^= h >> 16
        h = (h * 0x85EBCA6B) & 0xFFFFFFFF
        h ^= h >> 13
        out.append((h >> 8) / (1 << 23) - 1)
    return torch.tensor(out, dtype=torch.float32)


SIZE_P, SIZE_Q = torch.tensor([1.0, 1e-3, 30.0]), torch.tensor([[1.0, 0.01], [5.0, 0.0]])


class Lion(torch.optim.Optimizer):
    def __init__(self, params, lr, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                u = (m * b1 + p.grad * (1 - b1)).sign()
                p.sub_(group["lr"] * (u + group["weight_decay"] * p))
                m.mul_(b2).add_(p.grad, alpha=1 - b2)


def sgd(p, **o): return torch.optim.SGD(p, foreach=False, **o)
def adam(p, **o): return torch.optim.Adam(p, foreach=False, **o)
def adamw(p, **o): return torch.optim.AdamW(p, foreach=False, **o)
def rmsprop(p, **o): return torch.optim.RMSprop(p, foreach=False, **o)


def vectors(p, q): return [dict(params=[p], weight_decay=0.0), dict(params=[q])]
def slow_q(p, q): return [dict(params=[p]), dict(params=[q], lr=0.01 * 0.25)]


OPTIMIZERS = {
    "sgd": (sgd, dict(lr=0.1)),
    "sgd everything": (sgd, dict(lr=0.05, momentum=0.8, dampening=0.3, weight_decay=0.01)),
    "sgd nesterov": (sgd, dict(lr=0.05, momentum=0.9, nesterov=True)),
    "adam": (adam, dict(lr=0.01)),
    "adam betas": (adam, dict(lr=0.01, betas=(0.8, 0.95), eps=1e-4)),
    "adam small betas": (adam, dict(lr=0.01, betas=(0.0, 0.3))),
    "adam decay": (adam, dict(lr=0.01, weight_decay=0.1)),
    "adam amsgrad": (adam, dict(lr=0.01, amsgrad=True)),
    "adamw": (adamw, dict(lr=0.01, weight_decay=0.1)),
    "adamw amsgrad": (adamw, dict(lr=0.01, weight_decay=0.3, amsgrad=True)),
    "adamw no decay of vectors": (adamw, dict(lr=0.01, weight_decay=0.3), vectors),
    "adamw slow q": (adamw, dict(lr=0.01, weight_decay=0.1), slow_q),
    "adamw cosine": (adamw, dict(lr=0.01, weight_decay=0.1), None,
                     lambda o: sched.SequentialLR(o, [sched.LinearLR(o, 0.1, 1, 10), sched.CosineAnnealingLR(o, 40, 0.001)], [10])),
    "rmsprop": (rmsprop, dict(lr=0.01)),
    "rmsprop centered": (rmsprop, dict(lr=0.01, alpha=0.9, centered=True)),
    "rmsprop momentum": (rmsprop, dict(lr=0.01, alpha=0.95, eps=1e-5, momentum=0.7, weight_decay=0.05)),
    "rmsprop everything": (rmsprop, dict(lr=0.01, alpha=0.95, momentum=0.7, weight_decay=0.05, centered=True)),
    "lion": (Lion, dict(lr=0.003)),
    "lion decay": (Lion, dict(lr=0.003, betas=(0.8, 0.95), weight_decay=0.2)),
}


def trajectory(make, options, groups=None, schedule=None):
    p = torch.nn.Parameter(uniform(1, 3))
    q = torch.nn.Parameter(uniform(2, 4).reshape(2, 2))
    o = make(groups(p, q) if groups else [p, q], **options)
    s = schedule(o) if schedule else None
    out = []
    for i in range(1, STEPS + 1):
        p.grad = uniform(100 + i, 3) * SIZE_P
        q.grad = uniform(200 + i, 4).reshape(2, 2) * SIZE_Q
        o.step()
        if s:
            s.step()
        if i in SHOWN:
            out.append(dict(step=i, p=p.tolist(), q=q.flatten().tolist()))
    return out


SCHEDULES = {
    "linear": lambda o: sched.LinearLR(o, 0.25, 0.75, 20),
    "step": lambda o: sched.StepLR(o, 7, 0.5),
    "cosine": lambda o: sched.CosineAnnealingLR(o, STEPS, 0.1),
    "warm-up and cosine": lambda o: sched.SequentialLR(o, [sched.LinearLR(o, 0.01, 1, 10), sched.CosineAnnealingLR(o, 40, 0.1)], [10]),
    "three parts": lambda o: sched.SequentialLR(
        o, [sched.LinearLR(o, 0.5, 1, 5), sched.StepLR(o, 10, 0.1), sched.LinearLR(o, 1, 0.2, 15)], [5, 30]),
    "one cycle": lambda o: sched.OneCycleLR(o, 1.0, total_steps=STEPS, cycle_momentum=False),
    "one cycle linear": lambda o: sched.OneCycleLR(
        o, 1.0, total_steps=STEPS, pct_start=0.4, anneal_strategy="linear", div_factor=10, final_div_factor=50, cycle_momentum=False),
}


def factors(make):
    o = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    s = make(o)
    out = []
    for i in range(STEPS):
        out.append(o.param_groups[0]["lr"])
        o.step()
        if i < STEPS - 1:
            s.step()
    return out


# Updates, counted from 0, whose gradient is infinite or not a number.
BAD = [2, 3, 9, 17, 30]


def scaler():
    p = torch.nn.Parameter(uniform(1, 3))
    o = torch.optim.SGD([p], lr=0.1, momentum=0.9)
    s = torch.amp.GradScaler("cpu", init_scale=1024, growth_factor=4, backoff_factor=0.25, growth_interval=5)
    scales, values = [], []
    for i in range(40):
        o.zero_grad()
        c = uniform(300 + i, 3)
        if i in BAD:
            c[i % 3] = float("inf") if i % 2 else float("nan")
        s.scale((p * c).sum()).backward()
        s.step(o)
        s.update()
        scales.append(s.get_scale())
        values.append(p.tolist())
    return dict(scales=scales, p=values)


data = dict(
    torch=torch.__version__,
    optimizers={k: trajectory(*v) for k, v in OPTIMIZERS.items()},
    schedules={k: factors(v) for k, v in SCHEDULES.items()},
    scaler=scaler(),
)
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "trajectories.json")
with open(path, "w") as f:
    f.write("{\n")
    parts = [f'"torch": {json.dumps(data["torch"])}']
    for group in ("optimizers", "schedules"):
        rows = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in data[group].items())
        parts.append(f'"{group}": {{\n{rows}\n}}')
    parts.append(f'"scaler": {json.dumps(data["scaler"])}')
    f.write(",\n".join(parts) + "\n}\n")
