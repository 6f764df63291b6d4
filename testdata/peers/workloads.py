"""The benchmark workloads of bench_test.go as functions of NumPy inputs.

Each entry gives the inputs, drawn once from a fixed seed, and the bytes and
multiply-add flops that a perfect implementation moves and does; torch_peer.py
and jax_peer.py give the same computation in their own words.
"""
import numpy as np

ROWS, COLS, CHAIN, SIDE = 1024, 4096, 1 << 22, 1024
MLP = (784, 512, 256, 10)
BATCH = 128


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def mlp_inputs():
    params = []
    for i, (n, m) in enumerate(zip(MLP, MLP[1:])):
        params += [normal(10 + i, m, n) / np.float32(np.sqrt(n)), np.zeros(m, np.float32)]
    x = normal(1, BATCH, MLP[0])
    y = np.random.default_rng(2).integers(0, MLP[-1], BATCH)
    return params, x, y


MLP_FLOPS = 3 * 2 * BATCH * sum(n * m for n, m in zip(MLP, MLP[1:])) - 2 * BATCH * MLP[0] * MLP[1]

def cnn_inputs():
    """Two convolutions of 3x3, each followed by ReLU and maxima of 2x2, and two linear layers."""
    params = []
    for i, shape in enumerate([(32, 1, 3, 3), (64, 32, 3, 3), (128, 3136), (10, 128)]):
        params += [normal(10 + i, *shape) / np.float32(np.sqrt(np.prod(shape[1:]))), np.zeros(shape[0], np.float32)]
    x = normal(1, BATCH, 1, 28, 28)
    y = np.random.default_rng(2).integers(0, 10, BATCH)
    return params, x, y


# Per image: the first convolution forward and for its weights, the others also for what they read.
CNN_FLOPS = 2 * BATCH * (2 * 784 * 32 * 9 + 3 * (196 * 64 * 32 * 9 + 3136 * 128 + 128 * 10))

VOCABULARY, CONTEXT, WIDTH, LAYERS, HEADS, GPT_BATCH = 96, 64, 128, 4, 4, 16


def gpt_inputs():
    """The weights of a transformer by name, as examples/models has them, and tokens."""
    shapes = {"tok_emb": (VOCABULARY, WIDTH), "pos_emb": (CONTEXT, WIDTH), "ln.weight": (WIDTH,), "ln.bias": (WIDTH,), "head": (VOCABULARY, WIDTH)}
    for i in range(LAYERS):
        for name, shape in {
            "ln1.weight": (WIDTH,), "ln1.bias": (WIDTH,), "qkv.weight": (3 * WIDTH, WIDTH), "qkv.bias": (3 * WIDTH,),
            "proj.weight": (WIDTH, WIDTH), "proj.bias": (WIDTH,), "ln2.weight": (WIDTH,), "ln2.bias": (WIDTH,),
            "fc1.weight": (4 * WIDTH, WIDTH), "fc1.bias": (4 * WIDTH,), "fc2.weight": (WIDTH, 4 * WIDTH), "fc2.bias": (WIDTH,),
        }.items():
            shapes[f"{i}.{name}"] = shape
    params = {}
    for k, (name, shape) in enumerate(shapes.items()):
        norm = "ln" in name and name.endswith("weight")
        params[name] = np.ones(shape, np.float32) if norm else normal(100 + k, *shape) * np.float32(0.02)
    r = np.random.default_rng(2)
    return params, r.integers(0, VOCABULARY, (GPT_BATCH, CONTEXT)), r.integers(0, VOCABULARY, (GPT_BATCH, CONTEXT))


# Per token three times the products with the weights, and with keys and values of all places.
GPT_FLOPS = 3 * 2 * GPT_BATCH * CONTEXT * (LAYERS * (12 * WIDTH * WIDTH + 2 * CONTEXT * WIDTH) + VOCABULARY * WIDTH)

# name: (bytes, flops)
WORK = {
    "ew_gelu_chain": (12 * CHAIN, 0),
    "ew_broadcast": (8 * ROWS * COLS, 0),
    "softmax_rows": (8 * ROWS * COLS, 0),
    "layernorm_rows": (8 * ROWS * COLS, 0),
    "sumsq_cols": (4 * ROWS * COLS, 0),
    "gemm_f32": (0, 2 * SIDE**3),
    "train_mlp_mnist_b128": (0, MLP_FLOPS),
    "train_cnn_mnist_b128": (0, CNN_FLOPS),
    "train_gpt_d128_l4_t64_b16": (0, GPT_FLOPS),
}


def report(name, mode, ms):
    moved, flops = WORK[name]
    extra = f"{moved / ms / 1e6:9.1f} GB/s" if moved else f"{flops / ms / 1e6:9.1f} GFLOP/s"
    print(f"{name:24s} {mode:14s} {ms:10.4f} ms {extra}", flush=True)


def median_ms(run, windows=7, window_s=0.05):
    """Median over windows of the time of one run, after three warm-up runs."""
    import statistics
    import time

    for _ in range(3):
        run()
    t = time.perf_counter()
    run()
    n = max(1, int(window_s / max(time.perf_counter() - t, 1e-7)))
    times = []
    for _ in range(windows):
        t = time.perf_counter()
        for _ in range(n):
            run()
        times.append((time.perf_counter() - t) / n)
    return statistics.median(times) * 1e3
