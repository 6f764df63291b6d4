#!/usr/bin/env python3
"""What PyTorch's layers compute, for package proof: the functions over grids of
options, as make_ops.py has them, and modules with their state: names and values
of parameters and buffers, two training steps with gradients, an evaluation.

    python3 layers.py      # writes layers.npz and layers.jsonl beside itself
"""
import itertools
import os

import torch
import torch.nn as nn
import torch.nn.functional as F

from make_ops import FLOATS, case, ints, of, rand, store

inf, nan = float("inf"), float("nan")


def lists(d, *v):
    """The options of d spatial dimensions as lists."""
    return [list(x) if isinstance(x, (tuple, list)) else [x] * d for x in v]


def convolutions():
    def conv(*xs, stride, dilation, low, high, groups):
        x, w = xs
        k = len(stride)
        x = F.pad(x, [p for lh in reversed(list(zip(low, high))) for p in lh])
        return (F.conv1d, F.conv2d)[k - 1](x, w, None, stride, 0, dilation, groups)

    def add(d, x, w, stride=1, pad=0, dilation=1, groups=1, high=None, at=0):
        k = len(w) - 2
        s, p, dl = lists(k, stride, pad, dilation)
        h = p if high is None else lists(k, high)[0]
        tag = f"{d}{list(x)}{list(w)}s{s}p{p}{h}d{dl}g{groups}".replace(" ", "")
        case("conv", conv, [rand(d, *x, at=at), rand(d, *w, at=700 + at)], tag=tag, stride=s, dilation=dl, low=p, high=h, groups=groups)

    for d in FLOATS:
        for stride, pad, dilation, k in itertools.product([1, 2, 3], [0, 1, 2], [1, 2], [1, 2, 3]):
            if 7 + 2 * pad >= (k - 1) * dilation + 1:
                add(d, (2, 2, 7), (3, 2, k), stride, pad, dilation)
        for stride, pad, k in [(1, 0, 3), (1, 1, 3), (2, 1, 3), (2, 0, 2), (3, 2, 4), ((2, 1), (0, 2), (1, 5)), ((1, 3), (1, 0), (3, 1)), (1, 0, 1), (2, 0, 1)]:
            add(d, (2, 3, 6, 7), (4, 3, *lists(2, k)[0]), stride, pad)
        add(d, (1, 2, 8, 9), (3, 2, 3, 3), dilation=2, pad=2)
        add(d, (1, 2, 8, 9), (3, 2, 3, 2), dilation=(1, 3), stride=(2, 1))
        add(d, (1, 2, 8, 9), (3, 2, 2, 3), dilation=2, stride=2, pad=1)
        for groups, cin, cout in [(2, 4, 6), (3, 3, 3), (4, 4, 8)]:
            add(d, (2, cin, 5, 6), (cout, cin // groups, 3, 3), pad=1, groups=groups)
            add(d, (2, cin, 5, 6), (cout, cin // groups, 2, 3), stride=2, groups=groups)
            add(d, (2, cin, 9), (cout, cin // groups, 3), dilation=2, groups=groups)
        add(d, (3, 6, 7), (4, 3, 3, 3), pad=1)  # without a batch
        add(d, (3, 9), (4, 3, 3), pad=1)
        add(d, (0, 2, 5, 5), (3, 2, 3, 3))
        add(d, (1, 1, 1, 1), (1, 1, 1, 1))
        add(d, (2, 2, 5, 5), (3, 2, 4, 2), pad=(1, 0), high=(2, 1))
        same = lambda x, w, groups, **kw: (F.conv1d, F.conv2d)[w.dim() - 3](x, w, padding="same", dilation=tuple(kw["dilation"]), groups=groups)
        for k, dl in [((3, 3), (1, 1)), ((2, 4), (1, 3)), ((1, 6), (2, 1))]:
            total = [(a - 1) * b for a, b in zip(k, dl)]
            low = [t // 2 for t in total]
            case("conv", same, [rand(d, 1, 2, 5, 7), rand(d, 3, 2, *k, at=9)], tag=f"{d}same{k}{dl}", stride=[1, 1], dilation=list(dl), low=low,
                 high=[t - l for t, l in zip(total, low)], groups=1)
        case("conv", conv, [torch.tensor([[[1.0, inf, 0, nan, 2]]], dtype=rand(d, 1).dtype), rand(d, 1, 1, 2, at=3)], tag=d + "special", stride=[1], dilation=[1], low=[1], high=[0], groups=1)


def pooling():
    def top(x, size, stride, low, dilation, ceil=False, **_):
        return (F.max_pool1d, F.max_pool2d)[len(size) - 1](x, size, stride, low, dilation, ceil)

    def mean(x, size, stride, low, ceil=False, exclude=False, divisor=0, **_):
        if len(size) == 1:
            return F.avg_pool1d(x, size, stride, low, ceil, not exclude)
        return F.avg_pool2d(x, size, stride, low, ceil, not exclude, divisor or None)

    grid = [((2, 2, 7), 2, 2, 0), ((2, 2, 7), 3, 1, 1), ((2, 2, 7), 3, 2, 1), ((2, 2, 8), 2, 3, 1), ((2, 2, 8), 4, 3, 2), ((2, 2, 9), 1, 2, 0), ((2, 1, 6, 8), 2, 2, 0), ((2, 2, 7, 5), 2, 2, 0),
            ((1, 2, 6, 7), 3, 2, 1), ((1, 2, 6, 7), (2, 3), (1, 2), (1, 0)), ((1, 2, 6, 7), (3, 1), (2, 2), (1, 0)), ((1, 1, 6, 6), 6, 6, 0), ((2, 5, 5), 3, 1, 1), ((0, 2, 4, 4), 2, 2, 0)]
    for d in FLOATS:
        for (x, size, stride, pad), ceil in itertools.product(grid, [False, True]):
            k = max(1, len(x) - 2)
            size, stride, pad = lists(2 if x == (2, 5, 5) else k, size, stride, pad)
            tag = f"{d}{list(x)}k{size}s{stride}p{pad}{'ceil' if ceil else ''}".replace(" ", "")
            attr = dict(size=size, stride=stride, low=pad, high=pad, ceil=ceil)
            for dilation in [1, 2]:
                if all(2 * (a - 1) + 1 <= b for a, b in zip(size, x[-len(size):])) or dilation == 1:
                    case("max_pool", top, [rand(d, *x)], tag=f"{tag}d{dilation}", dilation=[dilation] * len(size), **attr)
            for exclude in [False, True]:
                case("avg_pool", mean, [rand(d, *x)], tag=f"{tag}{'valid' if exclude else ''}", exclude=exclude, **attr)
        case("avg_pool", mean, [rand(d, 1, 2, 6, 7)], tag=d + "divisor", size=[2, 3], stride=[2, 2], low=[1, 1], high=[1, 1], divisor=5)
        ties = of(d, 1, 1, 2, 2, 0, 2, 2, 2, 1, 1, 1, 1).reshape(1, 1, 3, 4)
        case("max_pool", top, [ties], tag=d + "ties", size=[2, 2], stride=[1, 1], low=[0, 0], high=[0, 0], dilation=[1, 1])
        case("max_pool", top, [ties], tag=d + "tiedblocks", size=[1, 2], stride=[1, 2], low=[0, 0], high=[0, 0], dilation=[1, 1])
        case("max_pool", top, [of(d, 1, nan, 2, inf, -inf, 0, -inf, 3).reshape(1, 1, 8)], tag=d + "special", size=[2], stride=[2], low=[0], high=[0], dilation=[1])
        adaptive = {"adaptive_avg_pool": (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d), "adaptive_max_pool": (F.adaptive_max_pool1d, F.adaptive_max_pool2d)}
        for op, fs in adaptive.items():
            f = lambda x, parts: fs[len(parts) - 1](x, parts)
            for x, parts in [((2, 2, 7), [3]), ((2, 2, 7), [1]), ((2, 2, 6), [3]), ((2, 2, 3), [5]), ((2, 2, 6, 7), [1, 1]), ((2, 2, 6, 7), [4, 3]), ((1, 2, 6, 8), [3, 2]), ((2, 5, 4), [5, 3])]:
                case(op, f, [rand(d, *x)], tag=f"{d}{list(x)}to{parts}", parts=parts)
            case(op, f, [of(d, 1, 2, 2, 2, 1, 2, 0).reshape(1, 1, 7)], tag=d + "ties", parts=[3])
        up = lambda x, parts=None, scale=None: F.interpolate(x, size=parts, scale_factor=scale, mode="nearest")
        for x, kw in [((2, 2, 4), dict(parts=[8])), ((2, 2, 4), dict(parts=[7])), ((2, 2, 7), dict(parts=[3])), ((2, 2, 4), dict(scale=[3.0])), ((2, 2, 4), dict(scale=[2.5])), ((2, 2, 5), dict(scale=[0.7])),
                      ((1, 2, 3, 4), dict(parts=[6, 12])), ((1, 2, 3, 4), dict(parts=[3, 5])), ((1, 2, 3, 4), dict(scale=[2.0, 1.5])), ((1, 1, 1, 41), dict(parts=[3, 123]))]:
            case("upsample", up, [rand(d, *x)], tag=f"{d}{list(x)}{kw}".replace(" ", ""), **kw)


def norms():
    for d in FLOATS:
        ln = lambda x, w=None, b=None, *, shape, eps: F.layer_norm(x, shape, w, b, eps)
        rms = lambda x, w=None, *, shape, eps: F.rms_norm(x, shape, w, eps or None)
        for x, shape in [((4, 7), [7]), ((2, 3, 5), [5]), ((2, 3, 5), [3, 5]), ((3, 4), [3, 4]), ((6,), [6]), ((0, 3), [3]), ((2, 67), [67])]:
            for eps in [1e-5, 0.3]:
                tag = f"{d}{list(x)}over{shape}eps{eps}".replace(" ", "")
                w, b = rand(d, *shape, at=31), rand(d, *shape, at=333)
                case("layer_norm", ln, [rand(d, *x), w, b], tag=tag, shape=shape, eps=eps)
                case("layer_norm", ln, [rand(d, *x), w], tag=tag + "nobias", shape=shape, eps=eps)
                case("layer_norm", ln, [rand(d, *x)], tag=tag + "plain", shape=shape, eps=eps)
                case("rms_norm", rms, [rand(d, *x), w], tag=tag, shape=shape, eps=eps)
            case("rms_norm", rms, [rand(d, *x)], tag=f"{d}{list(x)}over{shape}plain".replace(" ", ""), shape=shape, eps=0.0)
        gn = lambda x, w=None, b=None, *, groups, eps: F.group_norm(x, groups, w, b, eps)
        for x, groups in [((2, 6, 5), 3), ((2, 6, 3, 4), 2), ((3, 8), 2), ((2, 4, 3), 4), ((2, 4, 3), 1), ((1, 2, 1, 3), 2)]:
            case("group_norm", gn, [rand(d, *x), rand(d, x[1], at=3), rand(d, x[1], at=55)], tag=f"{d}{list(x)}in{groups}", groups=groups, eps=1e-5)
            case("group_norm", gn, [rand(d, *x)], tag=f"{d}{list(x)}in{groups}plain", groups=groups, eps=0.1)
        for x in [(5, 3), (4, 3, 6), (2, 3, 4, 5), (2, 1, 2, 2)]:
            c = x[1]
            w, b = rand(d, c, at=3), rand(d, c, at=55)
            case("batch_norm", lambda x, w, b, eps: F.batch_norm(x, None, None, w, b, True, 0.1, eps), [rand(d, *x), w, b], tag=f"{d}{list(x)}", eps=1e-5)
            case("batch_norm_running", lambda x, m, v, w, b, eps: F.batch_norm(x, m.detach(), v.detach(), w, b, False, 0.1, eps),
                 [rand(d, *x), rand(d, c, at=9), rand(d, c, at=99).abs() + 0.5, w, b], tag=f"{d}{list(x)}", eps=1e-3)


# --- modules -----------------------------------------------------------------

# The table of proof/modules_test.go has the same names.
MODULES = {
    "linear": (lambda: nn.Linear(5, 3), [(4, 5), (2, 3, 5)]),
    "linear_no_bias": (lambda: nn.Linear(5, 3, bias=False), [(4, 5)]),
    "conv1d": (lambda: nn.Conv1d(3, 4, 3, stride=2, padding=1), [(2, 3, 8), (3, 9)]),
    "conv2d": (lambda: nn.Conv2d(3, 4, 3), [(2, 3, 6, 7)]),
    "conv2d_options": (lambda: nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2), [(2, 4, 6, 7)]),
    "conv2d_same": (lambda: nn.Conv2d(2, 3, 4, padding="same", bias=False), [(2, 2, 5, 6)]),
    "conv2d_depthwise": (lambda: nn.Conv2d(3, 6, 3, padding=1, groups=3), [(2, 3, 5, 5)]),
    "max_pool1d": (lambda: nn.MaxPool1d(3, 2, 1), [(2, 3, 8)]),
    "max_pool2d": (lambda: nn.MaxPool2d(2), [(2, 3, 7, 6), (2, 5, 4)]),
    "max_pool2d_options": (lambda: nn.MaxPool2d((2, 3), stride=1, padding=1, dilation=(2, 1), ceil_mode=True), [(2, 3, 7, 6)]),
    "avg_pool1d": (lambda: nn.AvgPool1d(2, padding=1, ceil_mode=True), [(2, 3, 7)]),
    "avg_pool2d": (lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False), [(2, 3, 7, 6)]),
    "avg_pool2d_divisor": (lambda: nn.AvgPool2d(2, divisor_override=3), [(2, 3, 6, 6)]),
    "adaptive_avg_pool2d": (lambda: nn.AdaptiveAvgPool2d((3, 1)), [(2, 3, 7, 6)]),
    "adaptive_max_pool1d": (lambda: nn.AdaptiveMaxPool1d(4), [(2, 3, 7)]),
    "upsample": (lambda: nn.Upsample(scale_factor=2), [(2, 3, 4, 5)]),
    "upsample_size": (lambda: nn.Upsample(size=(7, 3)), [(2, 3, 4, 5)]),
    "batch_norm1d": (lambda: nn.BatchNorm1d(4), [(6, 4), (2, 4, 5)]),
    "batch_norm2d": (lambda: nn.BatchNorm2d(3, eps=1e-2, momentum=0.3), [(2, 3, 4, 4)]),
    "batch_norm2d_cumulative": (lambda: nn.BatchNorm2d(3, momentum=None), [(2, 3, 4, 4)]),
    "batch_norm1d_plain": (lambda: nn.BatchNorm1d(3, affine=False), [(5, 3)]),
    "batch_norm1d_untracked": (lambda: nn.BatchNorm1d(3, track_running_stats=False), [(5, 3)]),
    "layer_norm": (lambda: nn.LayerNorm(6), [(4, 6)]),
    "layer_norm_options": (lambda: nn.LayerNorm((3, 4), eps=0.1, bias=False), [(2, 3, 4)]),
    "rms_norm": (lambda: nn.RMSNorm(6), [(4, 6)]),
    "group_norm": (lambda: nn.GroupNorm(2, 6), [(3, 6, 4)]),
    "embedding": (lambda: nn.Embedding(7, 3), [(4,), (2, 3)]),
    "embedding_padding": (lambda: nn.Embedding(7, 3, padding_idx=-5), [(9,)]),
    "flatten": (lambda: nn.Flatten(), [(2, 3, 4)]),
    "identity": (lambda: nn.Identity(), [(2, 3)]),
    "sequential": (lambda: nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(24, 5), nn.LayerNorm(5)), [(3, 1, 4, 6)]),
}


def modules(table):
    for name, (make, shapes) in table.items():
        for shape in shapes:
            m = make()
            state = {}
            for i, (k, v) in enumerate(m.state_dict().items()):
                state[k] = v if k.endswith("num_batches_tracked") else rand("f32", *v.shape, at=60 + 200 * i)
                if k.endswith("running_var"):
                    state[k] = state[k].abs() + 0.5
            m.load_state_dict(state)
            put = lambda t: store.put(t.detach().clone())
            record = {"params": [[k, str(list(v.shape))] for k, v in m.named_parameters()], "state": list(state)}
            ins, outs = [put(v) for v in state.values()], []
            for step in range(2):
                m.train()
                m.zero_grad()
                if name.startswith("embedding"):
                    x = ints("i64", *shape, at=5 + step, lo=0, hi=6)
                else:
                    x = rand("f32", *shape, at=1000 + 90 * step).requires_grad_()
                y = m(x)
                ct = rand("f32", *y.shape, at=17 + step)
                leaves = [x] * x.requires_grad + list(m.parameters())
                grads = torch.autograd.grad(y, leaves, ct) if y.requires_grad and leaves else []
                ins += [put(x), put(ct)]
                outs += [put(y)] + [put(g) for g in grads]
                outs += [put(v) for k, v in m.state_dict().items()]
            m.eval()
            with torch.no_grad():
                outs.append(put(m(x)))
            store.case(name=f"module/{name}{list(shape)}".replace(" ", ""), op="module", attr=dict(module=name, state=record["state"], params=[k for k, _ in record["params"]]), **{"in": ins, "out": outs})


if __name__ == "__main__":
    convolutions()
    pooling()
    norms()
    modules(MODULES)
    store.write(os.path.join(os.path.dirname(os.path.abspath(__file__)), "layers"), made_by="layers.py")
