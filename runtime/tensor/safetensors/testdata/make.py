"""Writes the .safetensors files of this folder with Python's safetensors (last run with safetensors 0.8.0, PyTorch 2.15, Python 3.11).

Run in this folder: python make.py. The files have no random content. -check FILE opens a file and prints what it holds.
"""
import json
import struct
import sys

import torch
from safetensors import safe_open
from safetensors.torch import save_file

if sys.argv[1:2] == ["-check"]:
    with safe_open(sys.argv[2], framework="pt") as f:
        print("metadata", json.dumps(f.metadata(), sort_keys=True))
        for name in sorted(f.keys()):
            t = f.get_tensor(name)
            print(name, t.dtype, list(t.shape), t.to(torch.float64).flatten().tolist())
    sys.exit()

# Types that the framework has.
f = [0.0, -0.0, 0.1, float("inf"), float("-inf"), -3.5]
save_file({
    "b": torch.tensor([[True, False, True], [False, False, True]]),
    "u8": torch.tensor([[0, 1, 127], [128, 254, 255]], dtype=torch.uint8),
    "i32": torch.tensor([[0, -1, 2], [2**31 - 1, -(2**31), 7]], dtype=torch.int32),
    "i64": torch.tensor([[0, -1, 2], [2**63 - 1, -(2**63), 2**53 + 1]], dtype=torch.int64),
    "f16": torch.tensor(f, dtype=torch.float16).reshape(2, 3),
    "bf16": torch.tensor(f, dtype=torch.bfloat16).reshape(2, 3),
    "f32": torch.tensor(f, dtype=torch.float32).reshape(2, 3),
    "f64": torch.tensor(f, dtype=torch.float64).reshape(2, 3),
    "scalar": torch.tensor(2.5),
    "empty": torch.zeros(0, 3),
    "naïve \"name\"": torch.tensor([1], dtype=torch.uint8),
}, "native.safetensors", metadata={"format": "pt"})

# Types that are widened, each beside what PyTorch makes of it.
codes = torch.arange(256, dtype=torch.int32).to(torch.uint8)
other = {
    "i8": codes.view(torch.int8), "i16": torch.tensor([0, -1, 2**15 - 1, -(2**15)], dtype=torch.int16),
    "u16": torch.tensor([0, 1, 2**16 - 1], dtype=torch.uint16), "u32": torch.tensor([0, 1, 2**32 - 1], dtype=torch.uint32),
    "u64": torch.tensor([0, 1, 2**63 - 1], dtype=torch.uint64),
}
wide = {"i8": torch.int32, "i16": torch.int32, "u16": torch.int32, "u32": torch.int64, "u64": torch.int64}
out = dict(other) | {"want." + k: other[k].to(t) for k, t in wide.items()}
for name in "float8_e4m3fn float8_e5m2 float8_e8m0fnu float8_e4m3fnuz float8_e5m2fnuz".split():
    out[name] = codes.view(getattr(torch, name))
    out["want." + name] = out[name].to(torch.float32)
c = torch.complex(torch.tensor([1.0, 2.0]), torch.tensor([-0.5, float("inf")]))
out |= {"c64": c, "want.c64": torch.view_as_real(c).contiguous()}
save_file({k: t.clone() for k, t in out.items()}, "widened.safetensors")


def raw(name, header, data):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    with open(name + ".safetensors", "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


# What PyTorch does not write. F4 is the table of E2M1 in the OCP Microscaling specification.
raw("small", {
    "f4": {"dtype": "F4", "shape": [2, 8], "data_offsets": [0, 8]},
    "f6": {"dtype": "F6_E3M2", "shape": [4], "data_offsets": [8, 11]},
}, bytes([0x10, 0x32, 0x54, 0x76, 0x98, 0xBA, 0xDC, 0xFE, 1, 2, 3]))
# Data that are not aligned, in an order that is not that of the header, as old writers left them.
raw("unaligned", {
    "w": {"dtype": "F32", "shape": [2], "data_offsets": [1, 9]},
    "b": {"dtype": "BOOL", "shape": [1], "data_offsets": [0, 1]},
    "half": {"dtype": "BF16", "shape": [1], "data_offsets": [9, 11]},
    "__metadata__": {"a": "1"},
}, b"\x02" + struct.pack("<2f", 1.5, -2) + b"\x80\x3f")
