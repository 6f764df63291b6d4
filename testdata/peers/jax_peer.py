#!/usr/bin/env python3
"""Times the workloads in JAX (jit) on the CPU.

    python3 -m venv V && V/bin/pip install jax numpy
    V/bin/python jax_peer.py --threads 2
"""
import argparse
import os

args = argparse.ArgumentParser()
args.add_argument("--threads", type=int, default=2)
args.add_argument("--only", default="")
args = args.parse_args()
os.environ["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen=true intra_op_parallelism_threads={args.threads}"
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])

import jax
import jax.numpy as jnp

import workloads as w


def mlp_step():
    params, x, y = w.mlp_inputs()
    params = [jnp.asarray(p) for p in params]
    x, y = jnp.asarray(x), jnp.asarray(y)

    def loss_of(params):
        h = x
        for i in range(0, len(params), 2):
            h = h @ params[i].T + params[i + 1]
            if i < len(params) - 2:
                h = jax.nn.relu(h)
        return cross_entropy(h, y)

    return train(loss_of, params, 0.1)


def cnn_step():
    params, x, y = w.cnn_inputs()
    params = [jnp.asarray(p) for p in params]
    x, y = jnp.asarray(x), jnp.asarray(y)

    def stage(h, weight, bias):
        h = jax.lax.conv_general_dilated(h, weight, (1, 1), ((1, 1), (1, 1)))
        h = jax.nn.relu(h + bias[:, None, None])
        return jax.lax.reduce_window(h, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")

    def loss_of(params):
        w1, b1, w2, b2, w3, b3, w4, b4 = params
        h = stage(stage(x, w1, b1), w2, b2).reshape(len(x), -1)
        return cross_entropy(jax.nn.relu(h @ w3.T + b3) @ w4.T + b4, y)

    return train(loss_of, params, 1e-3)


def gpt_step():
    params, ids, labels = w.gpt_inputs()
    params = {name: jnp.asarray(a) for name, a in params.items()}
    ids, labels = jnp.asarray(ids), jnp.asarray(labels)
    mask = jnp.tril(jnp.ones((w.CONTEXT, w.CONTEXT), bool))

    def loss_of(p):
        def norm(x, name):
            d = x - x.mean(-1, keepdims=True)
            return d * jax.lax.rsqrt((d * d).mean(-1, keepdims=True) + 1e-5) * p[name + ".weight"] + p[name + ".bias"]

        def linear(x, name):
            return x @ p[name + ".weight"].T + p[name + ".bias"]

        x = p["tok_emb"][ids] + p["pos_emb"]
        b, n, d = x.shape
        for i in range(w.LAYERS):
            q, k, v = linear(norm(x, f"{i}.ln1"), f"{i}.qkv").reshape(b, n, 3, w.HEADS, d // w.HEADS).transpose(2, 0, 3, 1, 4)
            s = jnp.where(mask, q @ k.swapaxes(-1, -2) * (d // w.HEADS) ** -0.5, -jnp.inf)
            y = jax.nn.softmax(s, -1) @ v
            x = x + linear(y.swapaxes(1, 2).reshape(b, n, d), f"{i}.proj")
            x = x + linear(jax.nn.gelu(linear(norm(x, f"{i}.ln2"), f"{i}.fc1"), approximate=True), f"{i}.fc2")
        return cross_entropy((norm(x, "ln") @ p["head"].T).reshape(-1, w.VOCABULARY), labels.reshape(-1))

    # AdamW, as torch.optim.AdamW has it.
    @jax.jit
    def step(params, m, v, n):
        loss, grads = jax.value_and_grad(loss_of)(params)
        n = n + 1
        c1, c2 = 1 - 0.9**n, jnp.sqrt(1 - 0.999**n)
        m = {k: 0.9 * m[k] + 0.1 * g for k, g in grads.items()}
        v = {k: 0.999 * v[k] + 0.001 * g * g for k, g in grads.items()}
        params = {k: p * (1 - 1e-4 * 0.01) - 1e-4 / c1 * m[k] / (jnp.sqrt(v[k]) / c2 + 1e-8) for k, p in params.items()}
        return params, m, v, n, loss

    zeros = {k: jnp.zeros_like(p) for k, p in params.items()}
    state = [params, zeros, zeros, jnp.float32(0)]

    def run():
        *state[:], loss = step(*state)
        loss.block_until_ready()
        return loss

    return run


def cross_entropy(logits, y):
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1).mean()


def train(loss_of, params, rate):
    """Steps of SGD with momentum 0.9."""
    @jax.jit
    def step(params, momentum):
        loss, grads = jax.value_and_grad(loss_of)(params)
        momentum = [0.9 * m + g for m, g in zip(momentum, grads)]
        return [p - rate * m for p, m in zip(params, momentum)], momentum, loss

    state = [params, [jnp.zeros_like(p) for p in params]]

    def run():
        state[0], state[1], loss = step(*state)
        loss.block_until_ready()

    return run


def build(name):
    if name == "train_gpt_d128_l4_t64_b16":
        return gpt_step()
    if name == "train_mlp_mnist_b128":
        return mlp_step()
    if name == "train_cnn_mnist_b128":
        return cnn_step()
    m, n = w.ROWS, w.COLS
    x = w.normal(1, m, n)
    if name == "ew_gelu_chain":
        inputs = (w.normal(1, w.CHAIN), w.normal(2, w.CHAIN))
        fn = lambda a, r: jax.nn.gelu(a * 1.5 + 0.25, approximate=True) * 0.5 + r
    elif name == "ew_broadcast":
        inputs = (x, w.normal(2, n), w.normal(3, m, 1))
        fn = lambda x, b, s: jax.nn.relu((x + b) * s - jnp.abs(x) * 0.1)
    elif name == "softmax_rows":
        inputs, fn = (x,), lambda x: jax.nn.softmax(x, -1)
    elif name == "layernorm_rows":
        inputs = (x, w.normal(2, n), w.normal(3, n))

        def fn(x, g, b):
            d = x - x.mean(-1, keepdims=True)
            return d * jax.lax.rsqrt((d * d).mean(-1, keepdims=True) + 1e-5) * g + b
    elif name == "sumsq_cols":
        inputs, fn = (x,), lambda x: (x * x).sum(0)
    else:
        inputs = (w.normal(1, w.SIDE, w.SIDE), w.normal(2, w.SIDE, w.SIDE))
        fn = lambda a, b: a @ b
    inputs = [jnp.asarray(a) for a in inputs]
    fn = jax.jit(fn)
    return lambda: fn(*inputs).block_until_ready()


print(f"JAX {jax.__version__}, {args.threads} threads")
for name in w.WORK:
    if args.only in name:
        w.report(name, "jax-jit", w.median_ms(build(name)))
