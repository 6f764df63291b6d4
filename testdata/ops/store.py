"""Packing of cases into one npz of flat arrays and an index in JSON lines.

A tensor is written as "f32[2,3]@120": its type, and where its row-major
elements start in the flat array of that element type. Equal runs of elements
are stored once; inputs and cotangents are mostly pieces of one pool of numbers.
"""
import json
import platform
import zlib

import numpy as np
import torch

DTYPES = {
    torch.float32: "f32", torch.float64: "f64", torch.int32: "i32",
    torch.int64: "i64", torch.uint8: "u8", torch.bool: "bool",
}
TORCH = {name: d for d, name in DTYPES.items()}

SEED = 20
POOL = 2048


def pool(dtype):
    """Normal numbers, the same for every element type."""
    x = np.random.Generator(np.random.PCG64(SEED)).standard_normal(POOL)
    return torch.tensor(x).to(dtype)


class Store:
    def __init__(self):
        self.flat, self.size, self.seen, self.lines = {}, {}, {}, []
        for d in (torch.float32, torch.float64):
            self.append(DTYPES[d], pool(d).numpy())

    def append(self, name, a):
        at = self.size.get(name, 0)
        self.flat.setdefault(name, []).append(a)
        self.size[name] = at + a.size
        return at

    def put(self, t):
        """Stores a tensor and returns what names it."""
        name = DTYPES[t.dtype]
        a = t.detach().contiguous().numpy().reshape(-1)
        shape = ",".join(map(str, t.shape))
        key = name, a.tobytes()
        if a.size == 0:
            self.seen[key] = 0
        if key not in self.seen:
            at = self.in_pool(name, a)
            self.seen[key] = self.append(name, a) if at is None else at
        return f"{name}[{shape}]@{self.seen[key]}"

    def in_pool(self, name, a):
        if name[0] != "f":
            return None
        p = self.flat[name][0]
        for at in np.flatnonzero(p == a[0]):
            if p[at:at + a.size].tobytes() == a.tobytes():
                return int(at)
        return None

    def case(self, **fields):
        self.lines.append(json.dumps({k: v for k, v in fields.items() if v not in (None, [], {})}, separators=(",", ":")))

    def write(self, base, made_by="make_ops.py"):
        arrays = {k: np.concatenate(v) for k, v in sorted(self.flat.items())}
        np.savez_compressed(base + ".npz", **arrays)
        head = {
            "made_by": made_by, "torch": torch.__version__, "numpy": np.__version__,
            "python": platform.python_version(), "seed": SEED, "cases": len(self.lines),
            "elements": {k: int(v.size) for k, v in arrays.items()},
            "crc32": {k: zlib.crc32(v.tobytes()) for k, v in arrays.items()},
        }
        with open(base + ".jsonl", "w") as f:
            f.write(json.dumps(head, separators=(",", ":")) + "\n" + "\n".join(self.lines) + "\n")
