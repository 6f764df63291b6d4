#!/usr/bin/env python3
"""Times the workloads in PyTorch on the CPU.

    python3 -m venv V && V/bin/pip install torch numpy
    V/bin/python torch_peer.py --threads 2 --modes eager,compile
"""
import argparse

import torch
import torch.nn.functional as F

import workloads as w


def t(a):
    return torch.from_numpy(a)


def mlp_step(compiled):
    params, x, y = w.mlp_inputs()
    params = [t(p).requires_grad_() for p in params]
    x, y = t(x), torch.from_numpy(y)
    opt = torch.optim.SGD(params, lr=0.1, momentum=0.9, foreach=True)

    def loss_of():
        h = x
        for i in range(0, len(params), 2):
            h = F.linear(h, params[i], params[i + 1])
            if i < len(params) - 2:
                h = h.relu()
        return F.cross_entropy(h, y)

    def step():
        opt.zero_grad(set_to_none=True)
        loss = loss_of()
        loss.backward()
        opt.step()
        return loss

    return torch.compile(step) if compiled else step


def cnn_step(compiled):
    params, x, y = w.cnn_inputs()
    params = [t(p).requires_grad_() for p in params]
    w1, b1, w2, b2, w3, b3, w4, b4 = params
    x, y = t(x), torch.from_numpy(y)
    opt = torch.optim.SGD(params, lr=1e-3, momentum=0.9, foreach=True)

    def step():
        opt.zero_grad(set_to_none=True)
        h = F.max_pool2d(F.conv2d(x, w1, b1, padding=1).relu(), 2)
        h = F.max_pool2d(F.conv2d(h, w2, b2, padding=1).relu(), 2)
        loss = F.cross_entropy(F.linear(F.linear(h.flatten(1), w3, b3).relu(), w4, b4), y)
        loss.backward()
        opt.step()
        return loss

    return torch.compile(step) if compiled else step


def gpt_step(compiled):
    params, ids, labels = w.gpt_inputs()
    p = {name: t(a).requires_grad_() for name, a in params.items()}
    ids, labels = torch.from_numpy(ids), torch.from_numpy(labels)
    opt = torch.optim.AdamW(list(p.values()), lr=1e-4, weight_decay=0.01, fused=True)

    def norm(x, name):
        return F.layer_norm(x, (w.WIDTH,), p[name + ".weight"], p[name + ".bias"])

    def linear(x, name):
        return F.linear(x, p[name + ".weight"], p[name + ".bias"])

    def step():
        opt.zero_grad(set_to_none=True)
        x = F.embedding(ids, p["tok_emb"]) + p["pos_emb"]
        b, n, d = x.shape
        for i in range(w.LAYERS):
            q, k, v = linear(norm(x, f"{i}.ln1"), f"{i}.qkv").reshape(b, n, 3, w.HEADS, d // w.HEADS).permute(2, 0, 3, 1, 4)
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + linear(y.transpose(1, 2).reshape(b, n, d), f"{i}.proj")
            x = x + linear(F.gelu(linear(norm(x, f"{i}.ln2"), f"{i}.fc1"), approximate="tanh"), f"{i}.fc2")
        loss = F.cross_entropy(F.linear(norm(x, "ln"), p["head"]).flatten(0, 1), labels.flatten())
        loss.backward()
        opt.step()
        return loss

    return torch.compile(step) if compiled else step


def build(name, compiled):
    if name == "train_gpt_d128_l4_t64_b16":
        return gpt_step(compiled)
    if name == "train_mlp_mnist_b128":
        return mlp_step(compiled)
    if name == "train_cnn_mnist_b128":
        return cnn_step(compiled)
    m, n = w.ROWS, w.COLS
    x = t(w.normal(1, m, n))
    if name == "ew_gelu_chain":
        a, r = t(w.normal(1, w.CHAIN)), t(w.normal(2, w.CHAIN))
        fn, inputs = lambda a, r: F.gelu(a * 1.5 + 0.25, approximate="tanh") * 0.5 + r, (a, r)
    elif name == "ew_broadcast":
        b, s = t(w.normal(2, n)), t(w.normal(3, m, 1))
        fn, inputs = lambda x, b, s: torch.relu((x + b) * s - x.abs() * 0.1), (x, b, s)
    elif name == "softmax_rows":
        fn, inputs = lambda x: torch.softmax(x, -1), (x,)
    elif name == "layernorm_rows":
        g, b = t(w.normal(2, n)), t(w.normal(3, n))
        fn, inputs = lambda x, g, b: F.layer_norm(x, (n,), g, b), (x, g, b)
    elif name == "sumsq_cols":
        fn, inputs = lambda x: (x * x).sum(0), (x,)
    else:
        a, b = t(w.normal(1, w.SIDE, w.SIDE)), t(w.normal(2, w.SIDE, w.SIDE))
        fn, inputs = lambda a, b: a @ b, (a, b)
    fn = torch.compile(fn) if compiled else fn

    def run():
        with torch.no_grad():
            return fn(*inputs)

    return run


if __name__ == "__main__":
    args = argparse.ArgumentParser()
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--modes", default="eager,compile")
    args.add_argument("--only", default="")
    args = args.parse_args()
    torch.set_num_threads(args.threads)
    print(f"PyTorch {torch.__version__}, {args.threads} threads")
    for name in w.WORK:
        if args.only in name:
            for mode in args.modes.split(","):
                torch._dynamo.reset()
                w.report(name, "torch-" + mode, w.median_ms(build(name, mode == "compile")))
