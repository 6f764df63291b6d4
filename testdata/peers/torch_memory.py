#!/usr/bin/env python3
"""The most memory that a training step allocates at one time in PyTorch on the CPU.

    V/bin/python torch_memory.py

Counted is what PyTorch's allocator gives out and takes back in a step after two
others: values, gradients and what operations need in between, but neither
parameters nor the optimizer's state nor inputs, which live on. It is what
`dtc dump WORKLOAD --memory` says of the arena. Scratch memory that oneDNN and
MKL take from the system is not in it.
"""
import torch
from torch.profiler import ProfilerActivity, profile

import torch_peer
import workloads


def peak(step):
    for _ in range(2):
        step()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as p:
        step()
    live = most = least = 0  # the step begins with the gradients of the one before
    for e in sorted((e for e in p.profiler.kineto_results.events() if e.name() == "[memory]"), key=lambda e: e.start_ns()):
        live += e.nbytes()
        most, least = max(most, live), min(least, live)
    return most - least


if __name__ == "__main__":
    torch.set_num_threads(2)
    print(f"PyTorch {torch.__version__}")
    for name in workloads.WORK:
        if name.startswith("train"):
            print(f"{name:28s} {peak(torch_peer.build(name, False)):12,} bytes", flush=True)
