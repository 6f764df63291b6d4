#!/usr/bin/env python3
"""What PyTorch computes in f16 and bf16, for package proof: the values and
gradients of operations of every family, made on a CPU with the versions in the
first line of halfs.jsonl:

    python3 halfs.py         # writes halfs.npz and halfs.jsonl beside itself

The scheme is that of make_ops.py. NumPy has no bf16: its elements stand in the
npz as two raw bytes.
"""
import os
import zlib

import numpy as np
import torch
import torch.nn.functional as F

from store import Store, pool

torch.set_num_threads(1)

HALFS = {torch.float16: "f16", torch.bfloat16: "bf16"}
inf, nan = float("inf"), float("nan")


class HalfStore(Store):
    def put(self, t):
        if t.dtype not in HALFS:
            return super().put(t)
        name = HALFS[t.dtype]
        a = t.detach().contiguous().view(torch.int16).numpy().reshape(-1).view("V2" if name == "bf16" else "<f2")
        key = name, a.tobytes()
        if key not in self.seen:
            self.seen[key] = self.append(name, a) if a.size else 0
        return f"{name}[{','.join(map(str, t.shape))}]@{self.seen[key]}"


store = HalfStore()
count = {}


def rand(d, *shape, at=None):
    n = int(np.prod(shape))
    if at is None:
        at = zlib.crc32(repr(shape).encode())
    at %= 2048 - n
    return pool(torch.float64)[at:at + n].reshape(shape).to(d)


def case(op, f, xs, **attr):
    leaves = [x.clone().requires_grad_(x.dtype.is_floating_point) for x in xs]
    outs = f(*leaves)
    outs = list(outs) if isinstance(outs, tuple) else [outs]
    d = HALFS[next(x.dtype for x in xs if x.dtype in HALFS)]
    count[op, d] = count.get((op, d), 0) + 1
    record = {"name": f"half/{op}/{d}#{count[op, d]}", "op": op, "attr": attr}
    record["in"] = [store.put(x) for x in xs]
    record["out"] = [store.put(o) for o in outs]
    live = [(i, o) for i, o in enumerate(outs) if o.requires_grad]
    if live:
        cts = [""] * len(outs)
        given = [rand(o.dtype, *o.shape, at=11 + 7 * i) for i, o in live]
        for (i, _), c in zip(live, given):
            cts[i] = store.put(c)
        wrt = [x for x in leaves if x.requires_grad]
        grads = torch.autograd.grad([o for _, o in live], wrt, given, allow_unused=True)
        record["ct"] = cts
        record["grad"] = [store.put(torch.zeros_like(x) if g is None else g) for x, g in zip(wrt, grads)]
    store.case(**record)


def family(d):
    x, y = rand(d, 4, 37), rand(d, 4, 37, at=700)
    positive = x.abs() + 0.25
    special = torch.tensor([0.0, -0.0, 1.0, -1.5, 3.0, 300.0, -7e4, 6e4, 1e-3, 1e-7, 1e-20, inf, -inf, nan], dtype=d)
    for op, f in {"neg": torch.neg, "abs": torch.abs, "floor": torch.floor, "ceil": torch.ceil, "round": torch.round,
                  "relu": torch.relu, "exp": torch.exp, "expm1": torch.expm1, "sin": torch.sin, "cos": torch.cos,
                  "tanh": torch.tanh, "sigmoid": torch.sigmoid, "erf": torch.erf, "silu": F.silu, "gelu": F.gelu}.items():
        case(op, f, [x])
        # PyTorch's bf16 loops have erf(1e-7) = 0 and gelu(inf) = nan, and halfs have abs'(nan) = 0.
        case(op, f, [special[:8] if op in ("abs", "erf", "gelu") else special])
    for op, f in {"log": torch.log, "log1p": torch.log1p, "sqrt": torch.sqrt, "rsqrt": torch.rsqrt}.items():
        case(op, f, [positive])
    column = rand(d, 4, 1)
    edges = torch.cartesian_prod(special, special)
    for op, f in {"add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "maximum": torch.maximum, "minimum": torch.minimum}.items():
        case(op, f, [x, y])
        case(op, f, [x, column])
        with torch.no_grad():
            case(op, f, [edges[:, 0], edges[:, 1]])
        case(op, f, [x, rand(torch.float32, 4, 37, at=300)])
        case(op, f, [x, torch.arange(37)])
    other = torch.bfloat16 if d == torch.float16 else torch.float16
    case("add", torch.add, [x, y.to(other)])
    for op, f in {"lt": torch.lt, "le": torch.le, "eq": torch.eq, "ne": torch.ne}.items():
        case(op, f, [edges[:, 0], edges[:, 1]])
    case("where", torch.where, [x.detach() > 0, x, y])
    for to, t in {"f32": torch.float32, "f64": torch.float64, "i32": torch.int32, "bool": torch.bool, "f16": torch.float16, "bf16": torch.bfloat16}.items():
        finite = torch.tensor([0.0, -0.0, 1.0, -1.5, 3.75, 300.0, 1e-3, 1e-7], dtype=d)
        case("cast", lambda x, t=t: x.to(t), [finite], to=to)
    for shape, axes in [((300,), [0]), ((5, 129), [1]), ((129, 5), [0]), ((3, 7, 11), [0, 2])]:
        z = rand(d, *shape)
        case("sum", lambda z: z.sum(axes), [z], axes=axes)
        case("mean", lambda z: z.mean(axes), [z], axes=axes)
        case("amax", lambda z: z.amax(axes), [z], axes=axes)
    ones = torch.ones(3000, dtype=d)
    case("sum", lambda z: z.sum([0]), [ones], axes=[0])
    for axis in (0, 1):
        case("softmax", lambda z: z.softmax(axis), [x], axis=axis)
        case("log_softmax", lambda z: z.log_softmax(axis), [x], axis=axis)
    for m, k, n in [(1, 1, 1), (3, 5, 7), (17, 33, 9), (8, 200, 8)]:
        case("matmul", torch.matmul, [rand(d, m, k), rand(d, k, n)])
    case("matmul", torch.matmul, [rand(d, 2, 4, 6), rand(d, 2, 6, 3)])
    case("reshape", lambda z: z.reshape(37, 4), [x], dims=[37, 4])
    case("transpose", lambda z: z.permute(1, 0), [x], perm=[1, 0])
    case("gather", lambda z, i: z.gather(1, i), [x, torch.tensor([[0, 5, 36], [1, 1, 1], [2, 0, 2], [3, 4, 3]])], axis=1)
    case("layer_norm", lambda z, w, b: F.layer_norm(z, [37], w, b, 1e-5), [x, rand(d, 37), rand(d, 37, at=5)], shape=[37], eps=1e-5)


for dtype in HALFS:
    family(dtype)
store.write(os.path.join(os.path.dirname(os.path.abspath(__file__)), "halfs"), "halfs.py")
