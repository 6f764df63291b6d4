#!/usr/bin/env python3
"""Draws cases from PyTorch's own table of operations and records what it computes.

op_db (torch.testing._internal.common_methods_invocations) holds sample inputs
and error inputs that PyTorch's authors wrote for every operation. For each
entry named in entries.txt this writes the arguments of samples, the outputs,
and the product of random cotangents with the Jacobian for every operand that
has a gradient; and the arguments that PyTorch refuses.

    python3 draw.py --seed 0 --out /tmp/opdb                # all samples
    python3 draw.py --seed 1 --per-entry 3 --elements 130   # the committed sample

It needs PyTorch with the packages of its tests (expecttest). The tensors stand
in OUT.npz and the cases in OUT.jsonl as in ../ops; see README.md.
"""
import argparse
import math
import os
import random
import sys
import warnings
import zlib

import numpy as np
import torch
from torch.testing._internal.common_methods_invocations import op_db

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "ops"))
from store import DTYPES, Store  # noqa: E402

warnings.simplefilter("ignore")
torch.set_num_threads(1)


# Entries that are drawn in f64: PyTorch's own gradient in f32 has lost digits
# that the comparison wants.
DOUBLE = {"logcumsumexp"}


class LeftOut(Exception):
    """A sample that has no counterpart, and why."""


def name(op):
    return op.name + ("/" + op.variant_test_name if op.variant_test_name else "")


# Elements of the arguments of a sample; of its results four times as many.
MOST = 20000


class Recorder:
    def __init__(self):
        self.store = Store()

    def tensor(self, t):
        if t.dtype not in DTYPES:
            raise LeftOut(f"{str(t.dtype).removeprefix('torch.')} values")
        if t.dim() > 26:
            raise LeftOut("more than 26 dimensions")
        if t.layout != torch.strided:
            raise LeftOut("sparse values")
        if t._is_zerotensor():  # a gradient of zeros without memory
            t = torch.zeros(t.shape, dtype=t.dtype)
        return self.store.put(t)

    def value(self, v, wrt):
        """The JSON form of an argument; tensors with a gradient are added to wrt."""
        if torch.is_tensor(v):
            if v.requires_grad:
                wrt.append(v)
                return {"t": self.tensor(v), "g": True}
            return {"t": self.tensor(v)}
        if isinstance(v, torch.dtype):
            if v not in DTYPES:
                raise LeftOut(f"{str(v).removeprefix('torch.')} values")
            return {"dtype": DTYPES[v]}
        if isinstance(v, slice):
            return {"slice": [v.start, v.stop, v.step]}
        if isinstance(v, (list, tuple)):
            return [self.value(x, wrt) for x in v]
        if isinstance(v, float) and not math.isfinite(v):
            return {"f": str(v)}
        if v is None or isinstance(v, (bool, int, float, str)):
            return v
        if isinstance(v, np.generic):
            return self.value(v.item(), wrt)
        raise LeftOut(f"arguments of type {type(v).__name__}")

    def arguments(self, s, wrt):
        values = [s.input, *s.args, *s.kwargs.values()]
        if sum(t.numel() for t in tensors(values)) > MOST:
            raise LeftOut(f"more than {MOST} elements")
        for t in tensors(values):
            if t.dtype not in DTYPES:
                raise LeftOut(f"{str(t.dtype).removeprefix('torch.')} values")
        return [self.value(v, wrt) for v in (s.input, *s.args)], {k: self.value(v, wrt) for k, v in sorted(s.kwargs.items()) if not isinstance(v, torch.memory_format)}

    def sample(self, op, s):
        wrt = []
        args, kw = self.arguments(s, wrt)
        out = op(s.input, *s.args, **s.kwargs)
        outs = list(out) if isinstance(out, (list, tuple)) else [out]
        if not all(torch.is_tensor(o) for o in outs):
            raise LeftOut("results that are no tensors")
        if sum(o.numel() for o in outs) > 4 * MOST:
            raise LeftOut(f"more than {4 * MOST} elements")
        record = {"op": name(op), "args": args, "kw": kw, "out": [self.tensor(o) for o in outs]}
        live = [o for o in outs if o.requires_grad]
        if wrt and live:
            cts = {id(o): torch.randn(o.shape, dtype=o.dtype) for o in live}
            grads = torch.autograd.grad(live, wrt, [cts[id(o)] for o in live], allow_unused=True)
            record["ct"] = [self.tensor(cts[id(o)]) if id(o) in cts else "" for o in outs]
            record["grad"] = [self.tensor(torch.zeros_like(x) if g is None else g) for x, g in zip(wrt, grads)]
        self.store.case(**record)

    def refused(self, op, e):
        args, kw = self.arguments(e.sample_input, [])
        self.store.case(op=name(op), args=args, kw=kw, error=e.error_type.__name__ if isinstance(e.error_type, type) else "Error")


def tensors(v):
    if torch.is_tensor(v):
        yield v
    elif isinstance(v, (list, tuple)):
        for x in v:
            yield from tensors(x)


def choose(items, n, rng):
    """At most n of the items, in their order."""
    items = list(items)
    if n and len(items) > n:
        items = [items[i] for i in sorted(rng.sample(range(len(items)), n))]
    return items


def draw(op, rec, args):
    seed = args.seed + zlib.crc32(name(op).encode())
    rng = random.Random(seed)
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    have = op.supported_dtypes("cpu")
    dtype = next((d for d in (torch.float32, torch.int64, torch.bool) if d in have), None)
    if dtype is None:
        rec.store.case(op=name(op), skip="no element type that is ours")
        return
    if name(op) in DOUBLE:
        dtype = torch.float64
    grad = op.supports_autograd and dtype.is_floating_point

    def samples():
        every = list(op.sample_inputs("cpu", dtype, requires_grad=grad))
        if not args.per_entry:
            return every
        size = {id(s): sum(t.numel() for t in tensors([s.input, *s.args, *s.kwargs.values()])) for s in every}
        small = [s for s in every if size[id(s)] <= args.elements]
        return choose(small or sorted(every, key=lambda s: size[id(s)])[:1], args.per_entry, rng)

    def errors():
        return choose(op.error_inputs("cpu") if op.error_inputs_func else [], args.per_entry, rng)

    for what, record in ((samples, rec.sample), (errors, rec.refused)):
        try:
            drawn = what()
        except Exception as e:  # a table entry that this build of PyTorch cannot draw from
            rec.store.case(op=name(op), skip=f"cannot be drawn: {type(e).__name__}")
            continue
        for s in drawn:
            lines = len(rec.store.lines)
            try:
                record(op, s)
            except LeftOut as e:
                del rec.store.lines[lines:]
                rec.store.case(op=name(op), skip=str(e))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--per-entry", type=int, default=0, help="samples and error inputs of an entry, 0: all")
    p.add_argument("--elements", type=int, default=130, help="with --per-entry, at most so many in a sample's arguments, where there are such samples")
    p.add_argument("--entries", default=os.path.join(HERE, "entries.txt"), help="the names of the entries, one a line")
    p.add_argument("--out", default=os.path.join(HERE, "sample"))
    args = p.parse_args()
    with open(args.entries) as f:
        wanted = f.read().split()
    table = {name(op): op for op in op_db}
    if missing := [n for n in wanted if n not in table]:
        sys.exit(f"op_db has no entries {missing}")
    rec = Recorder()
    for n in wanted:
        draw(table[n], rec, args)
    rec.store.write(args.out, "draw.py")
    if not args.per_entry:  # for the table: what there is to map
        with open(args.out + ".names", "w") as f:
            f.write("".join(n + "\n" for n in sorted(table)))


if __name__ == "__main__":
    main()
