"""Writes the .npy and .npz files of this folder with NumPy itself (last run with NumPy 2.4.6, ml_dtypes 0.6.0, Python 3.11).

Run in this folder: python make.py. The files have no random content; a newer NumPy may pad headers otherwise.
"""
import ml_dtypes
import numpy as np
from numpy.lib import format as npy


def write(name, array, version=None):
    with open(name + ".npy", "wb") as f:
        npy.write_array(f, array, version=version, allow_pickle=True)


VALUES = {
    "b1": [[True, False, True], [False, False, True]],
    "u1": [[0, 1, 127], [128, 254, 255]],
    "i4": [[0, -1, 2], [2**31 - 1, -(2**31), 7]],
    "i8": [[0, -1, 2], [2**63 - 1, -(2**63), 2**53 + 1]],
    "f2": [[0.0, -0.0, 0.1], [np.inf, -np.inf, np.nan]],
    "f4": [[0.0, -0.0, 0.1], [np.inf, -np.inf, np.nan]],
    "f8": [[0.0, -0.0, 0.1], [np.inf, -np.inf, np.nan]],
}
for code, values in VALUES.items():
    for order, tag in ("<", "le"), (">", "be"):
        if code in ("b1", "u1") and tag == "be":
            continue
        a = np.array(values, dtype=order + code)
        write(f"{code}_{tag}", a)
        write(f"{code}_{tag}_fortran", np.asfortranarray(a))

count = np.arange(24, dtype="<i4")
write("scalar", np.array(2.5, dtype="<f8"))
write("vector", np.array([1, 2, 3], dtype="<f4"))
write("empty", np.zeros((0, 3), dtype="<f4"))
write("fortran3", np.asfortranarray(count.reshape(2, 3, 4)))
write("version2", count.reshape(4, 6), (2, 0))
write("version3", count.reshape(4, 6), (3, 0))

write("bf16", np.array([[0.0, -0.0, 0.1], [np.inf, -np.inf, np.nan]], dtype=ml_dtypes.bfloat16))
write("bad_f16", np.array([1, 2], dtype=np.longdouble))
write("bad_object", np.array([{}], dtype=object))
write("bad_structured", np.array([(1, 2.0)], dtype=[("a", "<i4"), ("b", "<f4")]))

arrays = {"w": np.arange(6, dtype="<f4").reshape(2, 3), "fc1.bias": np.array([1, 2], dtype="<i8"), "step": np.array(7, dtype="<i4")}
np.savez("stored.npz", **arrays)
np.savez_compressed("deflated.npz", **arrays)
