#!/usr/bin/env python3
"""What PyTorch computes for every operation and its gradient, for package proof.

Each case names an operation, its operands and attributes, the results, and the
product of fixed pseudo-random cotangents with the Jacobian for every
floating-point operand. Made on a CPU with the versions in the first line of
ops.jsonl:

    python3 make_ops.py      # writes ops.npz and ops.jsonl beside itself

Operands may be views of what is fed ("view"), so that operations meet
transposed, sliced and repeated memory.
"""
import itertools
import os
import zlib

import torch
import torch.nn.functional as F

import compose
import nets
from store import DTYPES, TORCH, Store, pool

torch.set_num_threads(1)

store = Store()
inf, nan = float("inf"), float("nan")
FLOATS = ["f32", "f64"]
INTS = ["u8", "i32", "i64"]


# --- numbers -----------------------------------------------------------------

def rand(d, *shape, at=None):
    """Numbers of the pool, from a place that depends on shape and type."""
    n = 1
    for s in shape:
        n *= s
    p = pool(TORCH[d])
    if at is None:
        at = zlib.crc32(repr(shape).encode())
    at %= len(p) - n
    return p[at:at + n].reshape(shape).clone()


def positive(d, *shape, at=None):
    return rand(d, *shape, at=at).abs() + 0.25


def ints(d, *shape, at=1, lo=-9, hi=9):
    if d == "u8":
        lo = max(lo, 0)
    x = rand("f64", *shape, at=at)
    return (lo + (x * 1e4).abs().long() % (hi - lo + 1)).to(TORCH[d])


def bools(*shape, at=3):
    return rand("f64", *shape, at=at) > 0


def of(d, *values):
    return torch.tensor(list(values), dtype=TORCH[d])


SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, -2.5, 2.0, 3.0, -7.25, 1e-3, -1e-5, 1e-20, 30.0, -30.0, 95.0, -95.0, 1e10, inf, -inf, nan]


def special(d):
    return of(d, *SPECIAL)


def pairs(d, values=None):
    a = values or [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -3.0, 2.5, 1e-3, 1e10, inf, -inf, nan]
    x, y = zip(*itertools.product(a, a))
    return of(d, *x), of(d, *y)


INT_EDGES = {
    "u8": [0, 1, 2, 7, 127, 128, 255],
    "i32": [0, 1, -1, 2, -2, 7, -7, 2**31 - 1, -2**31],
    "i64": [0, 1, -1, 2, -2, 7, -7, 2**40 + 1, 2**63 - 1, -2**63],
}


def int_pairs(d, divisor=False):
    a = INT_EDGES[d]
    b = [v for v in a if v != 0] if divisor else a
    p = [(x, y) for x, y in itertools.product(a, b) if not (divisor and y == -1 and x < -100)]
    x, y = zip(*p)
    return of(d, *x), of(d, *y)


# --- cases -------------------------------------------------------------------

def apply_view(x, v):
    if v is None:
        return x
    if v == "t":
        return x.transpose(-1, -2)
    if v == "even":  # every other element of the last dimension, from the second on
        return x[..., 1::2]
    if v == "flip":
        return x.flip(-1)
    if v == "row":  # the second row, repeated
        return x[1:2].expand_as(x)
    raise ValueError(v)


def case(op, f, xs, tag="", view=None, grad=True, **attr):
    """Records f(*views of xs, **attr) and its vector-Jacobian products."""
    leaves = [x.clone().requires_grad_(bool(grad) and x.dtype.is_floating_point) for x in xs]
    views = view or [None] * len(xs)
    outs = f(*[apply_view(x, v) for x, v in zip(leaves, views)], **attr)
    outs = list(outs) if isinstance(outs, (tuple, list)) else [outs]
    record = {"name": name(op, tag, xs, view), "op": op, "attr": attr, "view": [v or "" for v in view] if view else None}
    record["in"] = [store.put(x) for x in xs]
    record["out"] = [store.put(o) for o in outs]
    wrt = [x for x in leaves if x.requires_grad]
    if wrt and any(o.dtype.is_floating_point for o in outs):
        cts = [rand(DTYPES[o.dtype], *o.shape, at=11 + 7 * i) if o.dtype.is_floating_point else None for i, o in enumerate(outs)]
        live = [(o, c) for o, c in zip(outs, cts) if o.requires_grad]
        grads = [None] * len(wrt)
        if live:
            o, c = zip(*live)
            grads = torch.autograd.grad(o, wrt, c, allow_unused=True)
        grads = [torch.zeros_like(x) if g is None else g for x, g in zip(wrt, grads)]
        record["ct"] = [store.put(c) if c is not None else "" for c in cts]
        record["grad"] = [store.put(g) for g in grads]
    store.case(**record)


names = {}


def name(op, tag, xs, view):
    n = op + "/" + (tag or "x".join(DTYPES[x.dtype] + str(list(x.shape)).replace(" ", "") for x in xs))
    if view:
        n += "/" + "".join((v or "plain")[0] for v in view)
    names[n] = names.get(n, 0) + 1
    return n if names[n] == 1 else f"{n}#{names[n]}"


def over_shapes(op, f, make, arity, d, differentiable=True):
    """The shapes that every elementwise operation meets."""
    def args(*shapes):
        return [make(d, *s, at=900 * i + len(s)) for i, s in enumerate(shapes)]
    for shape in [(), (0,), (2, 0, 3), (1,), (1, 1), (17,), (3, 5, 7)]:
        case(op, f, args(*[shape] * arity), grad=differentiable)
    case(op, f, args(*[(5, 6)] * arity), view=["t"] * arity, grad=differentiable)
    case(op, f, args(*[(3, 9)] * arity), view=["even"] * arity, grad=differentiable)
    if arity == 2:
        for a, b in [((3, 1), (1, 4)), ((2, 3, 4), (4,)), ((), (5,)), ((3, 1, 2), (5, 1)), ((1,), (0,)), ((2, 1), (2, 0))]:
            case(op, f, args(a, b), grad=differentiable)
        case(op, f, args((4, 4), (4, 4)), view=["t", "flip"], grad=differentiable)
        case(op, f, args((4, 3), (4, 3)), view=["row", None], grad=differentiable)


def elementwise():
    unary = {
        "neg": torch.neg, "abs": torch.abs, "sign": torch.sign, "floor": torch.floor, "ceil": torch.ceil, "round": torch.round,
        "exp": torch.exp, "expm1": torch.expm1, "sin": torch.sin, "cos": torch.cos, "tanh": torch.tanh,
        "sigmoid": torch.sigmoid, "erf": torch.erf, "relu": torch.relu,
    }
    roots = {"log": torch.log, "log1p": torch.log1p, "sqrt": torch.sqrt, "rsqrt": torch.rsqrt}
    for d in FLOATS:
        for op, f in unary.items():
            over_shapes(op, f, rand, 1, d)
            # torch.sign turns NaN into 0, also in the gradient of abs; ours keeps it
            case(op, f, [special(d)[:-1] if op in ("sign", "abs") else special(d)], tag=d + "special")
        for op, f in roots.items():
            over_shapes(op, f, positive, 1, d)
            case(op, f, [special(d)], tag=d + "special")
        case("sin", torch.sin, [of(d, 1e2, 1e3, -1e4, 1e5, 3e6)], tag=d + "large")
        case("cos", torch.cos, [of(d, 1e2, 1e3, -1e4, 1e5, 3e6)], tag=d + "large")
        for lo, hi in [(-0.5, 0.75), (0.0, inf), (-inf, inf), (1.0, 1.0)]:
            case("clamp", lambda x, bounds: torch.clamp(x, *map(float, bounds)), [of(d, -1.0, -0.5, 0.0, 0.3, 0.75, 1.0, 2.0, inf, -inf, nan)], tag=f"{d},{lo},{hi}", bounds=[str(lo), str(hi)])
        case("abs", torch.abs, [of(d, nan, 1.0)], tag=d + "nan", grad=False)
    for d in INTS:
        x = of(d, *INT_EDGES[d])
        for op in ["neg", "abs", "sign", "floor", "ceil", "round", "relu"]:
            if op in ("neg", "abs") or d != "u8":
                case(op, unary[op], [x], tag=d)
        case("sigmoid", torch.sigmoid, [ints(d, 7)], tag=d)
        case("exp", torch.exp, [ints(d, 7)], tag=d)
        case("not", torch.bitwise_not, [x], tag=d)
    case("not", torch.bitwise_not, [bools(9)], tag="bool")


def binary():
    arith = {"add": torch.add, "sub": torch.sub, "mul": torch.mul, "maximum": torch.maximum, "minimum": torch.minimum}
    divs = {"div": torch.div, "floor_div": torch.floor_divide, "rem": torch.remainder}
    for d in FLOATS:
        for op, f in {**arith, **divs}.items():
            over_shapes(op, f, rand, 2, d, differentiable=op != "floor_div")
            if op in ("floor_div", "rem"):
                # Quotients that are not whole by much; infinities apart, where
                # the gradient of torch.remainder is not defined.
                case(op, f, pairs(d, [0.5, -0.5, 1.0, 2.0, -3.0, 2.5, 7.75]), tag=d + "pairs", grad=op == "rem")
                case(op, f, pairs(d, [0.0, 1.0, -1.5, 4.0, inf, -inf, nan]), tag=d + "special", grad=False)
            else:
                case(op, f, pairs(d), tag=d + "special")
        over_shapes("pow", torch.pow, positive, 2, d)
        case("pow", torch.pow, pairs(d), tag=d + "special")
        for c in [2.0, 3.0, 0.5, -1.0, 0.0, 1.0, -0.5, 1.7]:
            case("pow_scalar", lambda x, c: torch.pow(x, c), [of(d, 0.0, 1.0, 0.5, 2.0, 7.5, inf)], tag=f"{d},{c}", c=c)
        for c in [2.0, -0.1]:
            for op, f in {"add_scalar": torch.add, "sub_scalar": torch.sub, "mul_scalar": torch.mul, "div_scalar": torch.div}.items():
                case(op, lambda x, c, f=f: f(x, c), [special(d)], tag=f"{d},{c}", c=c)
    for d in INTS:
        for op, f in arith.items():
            case(op, f, int_pairs(d), tag=d)
            case(op, f, [ints(d, 3, 1), ints(d, 4, at=2)], tag=d + "broadcast")
        for op, f in divs.items():
            case(op, f, int_pairs(d, divisor=True), tag=d)
        case("pow", torch.pow, [of(d, *[0, 1, 2, 3, 3, 5, 7, 250]), of(d, *[0, 9, 5, 4, 0, 2, 1, 3])], tag=d)
        for op, f in {"add_scalar": torch.add, "sub_scalar": torch.sub, "mul_scalar": torch.mul, "div_scalar": torch.div}.items():
            case(op, lambda x, c, f=f: f(x, int(c)), [ints(d, 5, lo=3)], tag=d, c=3.0)
    case("pow", torch.pow, [of("i32", 1, -1, -1, 2, -3), of("i32", -3, -3, -2, -1, -2)], tag="i32negative")
    # promotion
    for a, b in [("bool", "u8"), ("u8", "i32"), ("i32", "i64"), ("bool", "f32"), ("i64", "f32"), ("f32", "f64"), ("u8", "f64")]:
        x = bools(6) if a == "bool" else rand(a, 6) if a[0] == "f" else ints(a, 6)
        y = rand(b, 6) if b[0] == "f" else ints(b, 6, at=2)
        for op in ["add", "mul", "maximum"] + ["sub"] * (a != "bool"):
            case(op, arith[op], [x, y])
            case(op, arith[op], [y, x])
        case("div", torch.div, [x, y.abs() + 1])


def logic():
    compare = {"eq": torch.eq, "ne": torch.ne, "lt": torch.lt, "le": torch.le, "gt": torch.gt, "ge": torch.ge}
    bits = {"and": torch.bitwise_and, "or": torch.bitwise_or, "xor": torch.bitwise_xor}
    for op, f in compare.items():
        for d in FLOATS:
            case(op, f, pairs(d), tag=d + "special", grad=False)
            case(op, f, [rand(d, 3, 1), rand(d, 4)], grad=False)
            case(op, f, [rand(d, 0), rand(d, 1)], grad=False)
            case(op, f, [rand(d), rand(d, at=5)], grad=False)
        for d in INTS:
            case(op, f, int_pairs(d), tag=d)
        case(op, f, [of("bool", 0, 0, 1, 1), of("bool", 0, 1, 0, 1)])
        case(op, f, [ints("i32", 5), rand("f32", 5)], grad=False)
    for op, f in bits.items():
        for d in INTS:
            case(op, f, int_pairs(d), tag=d)
        case(op, f, [of("bool", 0, 0, 1, 1), of("bool", 0, 1, 0, 1)])
        case(op, f, [bools(2, 1), bools(3, at=9)])
        case(op, f, [ints("u8", 4), ints("i64", 4)])
    for d in FLOATS:
        for s in [((), (), ()), ((4,), (4,), (4,)), ((3, 1), (4,), ()), ((0,), (1,), (0,)), ((2, 3), (2, 1), (1, 3))]:
            case("where", torch.where, [bools(*s[0]), rand(d, *s[1]), rand(d, *s[2], at=5)])
        x = special(d)
        case("where", torch.where, [torch.arange(len(x)) % 2 == 0, x, x.flip(0)], tag=d + "special")
        case("where", torch.where, [bools(4, 4), rand(d, 4, 4), rand(d, 4, 4, at=5)], view=["t", "t", None])
    for d in INTS:
        case("where", torch.where, [bools(5), ints(d, 5), ints(d, 5, at=2)])
    case("where", torch.where, [bools(5), ints("i32", 5), rand("f32", 5)])


def casts():
    def cast(x, to):
        return x.to(TORCH[to])
    everything = FLOATS + INTS + ["bool"]
    for a, b in itertools.product(everything, everything):
        if a[0] == "f" and b == "u8":
            x = of(a, 0.0, 0.9, 1.5, 254.99, 255.0)
        elif a[0] == "f" and b in INTS:
            x = of(a, 0.0, -0.9, 1.5, -2.5, 1e6, -1e9)
        elif a[0] == "f":
            x = special(a)
        else:
            x = bools(9) if a == "bool" else of(a, *INT_EDGES[a])
        case("cast", cast, [x], to=b)
    case("cast", cast, [rand("f32", 3, 4)], view=["t"], to="f64")
    case("cast", cast, [rand("f64")], to="f32")
    case("cast", cast, [rand("f64", 0, 2)], to="f32")


def shapes():
    def both(op, f, *shape, **kw):
        for d in FLOATS:
            case(op, f, [rand(d, *shape)], **kw)
        case(op, f, [ints("i32", *shape)], **kw)

    reshape = lambda x, dims: x.reshape(dims)
    for a, b in [((), (1, 1)), ((1,), ()), ((6,), (2, 3)), ((4, 6), (2, 2, 3, 2)), ((2, 3, 5), (5, 6)), ((2, 0, 3), (0, 7)), ((2, 6), (3, -1)), ((1, 7, 1), (7,))]:
        both("reshape", reshape, *a, dims=list(b))
    both("reshape", reshape, 4, 6, view=["t"], dims=[8, 3])
    both("reshape", reshape, 4, 6, view=["even"], dims=[2, 6])
    both("flatten", lambda x, start, end: x.flatten(start, end), 2, 3, 4, start=1, end=-1)
    both("flatten", lambda x, start, end: x.flatten(start, end), 2, 3, 4, view=["t"], start=0, end=1)
    both("squeeze", lambda x, axes: x.squeeze(axes), 1, 3, 1, axes=[0, -1])
    both("unsqueeze", lambda x, axis: x.unsqueeze(axis), 3, 2, axis=1)
    both("unsqueeze", lambda x, axis: x.unsqueeze(axis), axis=-1)
    for a, b in [((), (3,)), ((1,), (0,)), ((3, 1), (2, 3, 4)), ((2, 1, 3), (2, 5, 3)), ((4,), (4,)), ((1, 1), (3, 1))]:
        both("broadcast_to", lambda x, dims: torch.broadcast_to(x, dims), *a, dims=list(b))
    permute = lambda x, perm: x.permute(perm)
    for a, p in [((), []), ((5,), [0]), ((2, 3, 4), [2, 0, 1]), ((2, 3, 4), [-1, 1, 0]), ((2, 0, 3), [1, 2, 0]), ((1, 3, 1, 2), [3, 0, 1, 2])]:
        both("transpose", permute, *a, perm=p)
    both("swap", lambda x, a, b: x.swapaxes(a, b), 2, 3, 4, a=0, b=-1)
    both("t", lambda x: x.transpose(-1, -2), 2, 3, 4)
    # a[start:stop:step] by Python's rules, also backwards (which torch lacks)
    def sliced(x, axis, start, stop, step):
        at = list(range(x.shape[axis]))[slice(start, stop, step)]
        return x.index_select(axis, torch.tensor(at, dtype=torch.int64))
    for a, (axis, start, stop, step) in [
        ((7,), (0, 1, 6, 2)), ((7,), (0, None, None, -1)), ((7,), (0, -2, None, -3)), ((7,), (0, 5, 5, 1)), ((3, 8), (1, -5, -1, 1)),
        ((3, 8), (1, 100, -100, -2)), ((4, 5, 6), (1, 3, 0, -1)), ((0, 3), (1, 0, 2, 1)), ((1,), (0, 0, 9, 4)), ((5, 2), (0, 0, 5, 1))]:
        both("slice", sliced, *a, axis=axis, start=start, stop=stop, step=step)
    both("slice", sliced, 6, 8, view=["t"], axis=0, start=1, stop=7, step=3)
    both("index", lambda x, axis, i: x.select(axis, i), 3, 4, axis=1, i=-2)
    both("flip", lambda x, axes: x.flip(axes), 3, 4, 2, axes=[0, 2])
    both("flip", lambda x, axes: x.flip(axes), 2, 0, axes=[0])
    both("split", lambda x, axis, sizes: x.split(sizes, axis), 2, 7, axis=1, sizes=[3, 0, 4])

    def pad(x, value, pads):
        for axis, (lo, hi, interior) in enumerate(pads):
            n = x.shape[axis]
            if interior and n > 1:
                wide = torch.full([*x.shape[:axis], n + (n - 1) * interior, *x.shape[axis + 1:]], value, dtype=x.dtype)
                at = torch.arange(n) * (1 + interior)
                x = wide.index_copy(axis, at, x)
            x = F.pad(x, [0, 0] * (x.dim() - 1 - axis) + [lo, hi], value=value)
        return x
    for a, v, p in [
        ((4,), 0.0, [[1, 2, 0]]), ((5,), -2.0, [[-1, 3, 0]]), ((5,), 1.0, [[-2, -1, 0]]), ((3, 4), 0.0, [[0, 1, 2], [2, 0, 1]]),
        ((3, 4), 7.0, [[-1, -1, 1], [1, -2, 3]]), ((0, 2), 3.0, [[2, 1, 0], [0, 0, 0]]), ((1, 1), 0.0, [[0, 0, 5], [1, 1, 0]]), ((4, 3), 0.0, [[-4, 0, 0], [0, 0, 0]])]:
        both("pad", pad, *a, value=v, pads=p)
    both("pad", pad, 4, 3, view=["t"], value=1.0, pads=[[1, 0, 0], [0, 2, 0]])
    for d in FLOATS:
        case("pad", pad, [of(d, 1.0, nan, inf)], tag=d + "special", value=0.0, pads=[[1, 1, 1]])

    cat = lambda *xs, axis: torch.cat(xs, axis)
    for d in FLOATS + ["u8"]:
        make = rand if d[0] == "f" else ints
        case("concat", cat, [make(d, 3), make(d, 2), make(d, 0)], axis=0)
        case("concat", cat, [make(d, 2, 3), make(d, 2, 1), make(d, 2, 4)], axis=-1)
        case("concat", cat, [make(d, 0, 2), make(d, 0, 3)], axis=1)
        case("concat", cat, [make(d, 3, 4), make(d, 4, 2)], view=["t", None], axis=1)
        case("stack", lambda *xs, axis: torch.stack(xs, axis), [make(d, 2, 3)] * 3, axis=1)
        case("stack", lambda *xs, axis: torch.stack(xs, axis), [make(d), make(d)], axis=0)
    case("concat", cat, [ints("i32", 3), rand("f32", 2)], axis=0)

    def window(x, axes, size, stride, low, high, fill):
        pads = [[0, 0, 0] for _ in range(x.dim())]
        for a, l, h in zip(axes, low, high):
            pads[a] = [l, h, 0]
        x = pad(x, fill, pads)
        for a, n, s in zip(axes, size, stride):
            x = x.unfold(a, n, s)
        return x

    def unwindow(w, dims, **kw):
        x = torch.zeros(dims, dtype=w.dtype, requires_grad=True)
        return torch.autograd.grad(window(x, fill=0.0, **kw), x, w, create_graph=True)[0]

    for a, kw in [
        ((9,), dict(axes=[0], size=[3], stride=[1], low=[0], high=[0])),
        ((9,), dict(axes=[0], size=[2], stride=[3], low=[1], high=[2])),
        ((1, 1), dict(axes=[1], size=[3], stride=[2], low=[2], high=[2])),
        ((2, 5, 6), dict(axes=[1, 2], size=[3, 2], stride=[2, 1], low=[1, 0], high=[1, 1])),
        ((0, 4), dict(axes=[1], size=[2], stride=[2], low=[0], high=[0]))]:
        for d in FLOATS:
            case("window", window, [rand(d, *a)], fill=-1.0, **kw)
            w = window(torch.zeros(a), fill=0.0, **kw)
            case("unwindow", unwindow, [rand(d, *w.shape)], dims=list(a), **kw)
    case("window", window, [ints("i64", 7)], axes=[0], size=[3], stride=[2], low=[1], high=[1], fill=4.0)


def reductions():
    def full(f):
        def g(x, axes, keep=False):
            axes = axes or list(range(x.dim()))
            if not axes:
                return f(x.reshape(1), [0], False)
            return f(x, axes, keep)
        return g

    def flat(f):
        """f over one dimension, made one over several."""
        def g(x, axes, keep):
            axes = sorted(a % x.dim() for a in axes)
            rest = [a for a in range(x.dim()) if a not in axes]
            y = f(x.permute(rest + axes).flatten(len(rest)))
            return y.reshape([1 if a in axes else s for a, s in enumerate(x.shape)]) if keep else y
        return g

    ops = {
        "sum": torch.sum, "mean": torch.mean, "amax": torch.amax, "amin": torch.amin,
        "prod": flat(lambda x: x.prod(-1)), "argmax": flat(lambda x: x.argmax(-1)), "argmin": flat(lambda x: x.argmin(-1)),
        "logsumexp": torch.logsumexp,
    }
    for op, f in ops.items():
        f = full(f)
        for d in FLOATS:
            for shape, axes in [((), []), ((1,), [0]), ((9,), []), ((3, 5, 7), [0]), ((3, 5, 7), [1]), ((3, 5, 7), [-1]), ((3, 5, 7), [0, 2]), ((3, 5, 7), []),
                                ((0, 3), [1]), ((37, 3), [0]), ((3, 129), [1])]:
                if shape == (37, 3) and op == "prod":
                    shape = (12, 3)
                case(op, f, [rand(d, *shape)], tag=f"{d}{list(shape)}over{axes}", axes=axes)
            case(op, f, [rand(d, 4, 5)], tag=d + "keep", axes=[1], keep=True)
            case(op, f, [rand(d, 4, 5)], tag=d + "keep", view=["t"], axes=[1], keep=True)
            case(op, f, [rand(d, 4, 6)], tag=d + "even", view=["even"], axes=[0])
            if op in ("sum", "prod", "mean"):
                for shape, axes in [((0,), [0]), ((2, 0, 3), [1]), ((0, 0), [0])]:
                    case(op, f, [rand(d, *shape)], tag=f"{d}{list(shape)}over{axes}", axes=axes)
            ties = torch.tensor([[1.0, 3, 3, 2], [4, 4, 4, 4], [0, -0.0, 0, -1], [inf, 1, inf, 0], [-inf, -inf, 2, -inf]], dtype=TORCH[d])
            case(op, f, [ties], tag=d + "ties", axes=[1])
            # torch.prod divides by the element, so that its gradient at the NaN is NaN; ours is the product of the others
            case(op, f, [torch.tensor([[1.0, nan, 3], [nan, 1, nan], [inf, nan, -inf]], dtype=TORCH[d])], tag=d + "nan", grad=op != "prod", axes=[1])
            if op == "prod":
                case(op, f, [torch.tensor([[2.0, 0, 3], [0, 0, 5], [0, 0, 0], [1, -2, 4]], dtype=TORCH[d])], tag=d + "zeros", axes=[1])
            if op == "logsumexp":
                big = 100.0 if d == "f32" else 800.0  # exp(big) overflows
                case(op, f, [torch.tensor([[big, big - 1], [-big, -big - 1], [-inf, -inf], [inf, 0], [-inf, 3]], dtype=TORCH[d])], tag=d + "extreme", axes=[1])
        if op not in ("mean", "logsumexp"):
            for d in INTS:
                case(op, f, [ints(d, 3, 5)], tag=d, axes=[1])
                case(op, f, [ints(d, 3, 5)], tag=d + "all", axes=[])
    for op in ["sum"]:
        case(op, full(ops[op]), [bools(3, 5)], tag="bool", axes=[0])
    for op in ["max", "min"]:
        f = getattr(torch, op)
        g = lambda x, axis, keep=False, f=f: tuple(f(x, axis, keep))
        for d in FLOATS:
            for shape, axis in [((7,), 0), ((3, 4, 5), 1), ((3, 4, 5), -1), ((2, 1), 1), ((0, 3), 1)]:
                case(op, g, [rand(d, *shape)], axis=axis)
            case(op, g, [rand(d, 4, 5)], tag=d + "keep", view=["t"], axis=0, keep=True)
            case(op, g, [torch.tensor([[1.0, 3, 3, 2], [4, 4, 4, 4], [inf, 1, inf, 0]], dtype=TORCH[d])], tag=d + "ties", axis=1)
            case(op, g, [torch.tensor([[1.0, nan, 3, nan], [nan, 1, 0, inf]], dtype=TORCH[d])], tag=d + "nan", axis=1)
        case(op, g, [ints("i32", 4, 5)], axis=1)
    for op, f in {"softmax": torch.softmax, "log_softmax": torch.log_softmax}.items():
        g = lambda x, axis, f=f: f(x, axis)
        for d in FLOATS:
            for shape, axis in [((5,), 0), ((3, 7), -1), ((3, 7), 0), ((2, 3, 4), 1), ((4, 1), 1), ((0, 3), 1), ((3, 0), 1), ((2, 67), 1)]:
                case(op, g, [rand(d, *shape)], tag=f"{d}{list(shape)}over{axis}", axis=axis)
            case(op, g, [rand(d, 4, 6)], tag=d, view=["t"], axis=1)
            case(op, g, [torch.tensor([[1000.0, 999, 0], [-1000, -1001, -1002], [-inf, 1, 2], [1, 1, 1]], dtype=TORCH[d])], tag=d + "extreme", axis=1)
            case(op, g, [torch.tensor([[inf, 1, 2], [-inf, -inf, -inf], [nan, 1, 2]], dtype=TORCH[d])], tag=d + "undefined", axis=1)


def contractions():
    for d in FLOATS:
        for a, b in [
            ((1, 1), (1, 1)), ((3, 4), (4, 5)), ((7, 13), (13, 5)), ((17, 33), (33, 9)), ((1, 65), (65, 3)), ((2, 0), (0, 3)), ((0, 4), (4, 3)), ((3, 4), (4, 0)),
            ((5,), (5,)), ((5,), (5, 3)), ((3, 5), (5,)), ((2, 3, 4), (4, 5)), ((2, 3, 4), (2, 4, 5)), ((2, 1, 3, 4), (5, 4, 2)), ((3, 1, 4), (4, 2)), ((0, 3, 4), (4, 2)), ((4,), (2, 4, 3))]:
            case("matmul", torch.matmul, [rand(d, *a), rand(d, *b, at=40)])
        case("matmul", torch.matmul, [rand(d, 9, 6), rand(d, 9, 7)], view=["t", None])
        case("matmul", torch.matmul, [rand(d, 6, 9), rand(d, 7, 9)], view=[None, "t"])
        case("matmul", torch.matmul, [rand(d, 9, 6), rand(d, 7, 9)], view=["t", "t"])
        case("matmul", torch.matmul, [rand(d, 6, 10), rand(d, 5, 8)], view=["even", "even"])
        case("matmul", torch.matmul, [rand(d, 4, 4), rand(d, 4, 4)], view=["row", "flip"])
        case("matmul", torch.matmul, [torch.tensor([[1.0, inf], [0, 2]], dtype=TORCH[d]), torch.tensor([[1.0, 0], [2, nan]], dtype=TORCH[d])], tag=d + "special")
        case("dot", torch.dot, [rand(d, 9), rand(d, 9, at=4)])
        case("dot", torch.dot, [rand(d, 0), rand(d, 0)])
        case("outer", torch.outer, [rand(d, 4), rand(d, 3)])
        es = lambda *xs, spec: torch.einsum(spec, *xs)
        for spec, shapes_ in [
            ("ij,jk->ik", [(3, 4), (4, 5)]), ("ij,jk", [(3, 4), (4, 5)]), ("bij,bkj->bik", [(2, 3, 4), (2, 5, 4)]), ("i,i->", [(5,), (5,)]), ("ij->ji", [(2, 3)]), ("ij->i", [(2, 3)]),
            ("ij,ij->ij", [(2, 3), (2, 3)]), ("i,j->ij", [(2,), (3,)]), ("bhqd,bkhd->bhqk", [(2, 2, 3, 4), (2, 5, 2, 4)]), ("ijk,kl->l", [(2, 3, 4), (4, 5)]), ("...ij,...jk->...ik", [(2, 3, 4), (4, 5)])]:
            case("einsum", es, [rand(d, *s, at=9 * i) for i, s in enumerate(shapes_)], tag=d + spec, spec=spec)
    for d in INTS:
        case("matmul", torch.matmul, [ints(d, 3, 4), ints(d, 4, 5, at=2)])
        case("matmul", torch.matmul, [ints(d, 4), ints(d, 4, at=2)])
    case("matmul", torch.matmul, [of("i32", 2**31 - 1, 2).reshape(1, 2), of("i32", 2, 5).reshape(2, 1)], tag="i32wrap")


def indexing():
    gather = lambda x, i, axis: torch.gather(x, axis, i.long())

    def take(x, i, axis):
        y = x.index_select(axis, i.reshape(-1).long())
        axis %= x.dim()
        return y.reshape(x.shape[:axis] + i.shape + x.shape[axis + 1:])

    scatter = lambda x, i, src, axis: x.scatter_add(axis, i.long(), src)
    for d in FLOATS:
        for n in ["i32", "i64", "u8"]:
            case("gather", gather, [rand(d, 3, 5), ints(n, 3, 2, lo=0, hi=4)], axis=1)
        case("gather", gather, [rand(d, 4, 3), ints("i64", 6, 2, lo=0, hi=3)], axis=0)
        case("gather", gather, [rand(d, 2, 3, 4), ints("i32", 2, 5, 3, lo=0, hi=2)], axis=-2)
        case("gather", gather, [rand(d, 5), ints("i64", 0, lo=0, hi=2)], axis=0)
        case("gather", gather, [rand(d, 1, 1), ints("i64", 1, 4, lo=0, hi=0)], axis=1)
        case("gather", gather, [rand(d, 5, 3), ints("i64", 3, 2, lo=0, hi=4)], view=["t", None], axis=1)
        case("take", take, [rand(d, 6, 3), ints("i32", 4, lo=0, hi=5)], axis=0)
        case("take", take, [rand(d, 6, 3), ints("i64", 2, 5, lo=0, hi=5)], axis=0)
        case("take", take, [rand(d, 3, 6), ints("i64", 4, lo=0, hi=5)], axis=-1)
        case("take", take, [rand(d, 6, 3), ints("u8", lo=0, hi=5)], axis=0)
        case("take", take, [rand(d, 6, 0), ints("i64", 2, lo=0, hi=5)], axis=0)
        case("take", take, [rand(d, 3, 6), ints("i64", 2, 2, lo=0, hi=5)], view=["t", "t"], axis=0)
        case("scatter_add", scatter, [rand(d, 5), ints("i64", 9, lo=0, hi=4), rand(d, 9)], axis=0)
        case("scatter_add", scatter, [rand(d, 3, 5), ints("i32", 2, 4, lo=0, hi=4), rand(d, 2, 4)], axis=1)
        case("scatter_add", scatter, [rand(d, 4, 3), ints("i64", 6, 3, lo=0, hi=1), rand(d, 6, 3)], axis=0)
        case("scatter_add", scatter, [rand(d, 4, 3), ints("i64", 0, 3), rand(d, 0, 3)], axis=0)
        case("scatter_add", scatter, [rand(d, 3, 4), ints("i64", 3, 2, lo=0, hi=3), rand(d, 2, 3)], view=[None, None, "t"], axis=1)
    case("scatter_add", scatter, [ints("i32", 4), ints("i64", 7, lo=0, hi=3), ints("i32", 7, at=5)], axis=0)
    for d in ["f32", "i32", "bool"]:
        hot = lambda i, n, to: F.one_hot(i.long(), n).to(TORCH[to])
        case("one_hot", hot, [ints("i64", 5, lo=0, hi=3)], tag=d, n=4, to=d)
        case("one_hot", hot, [ints("i32", 2, 3, lo=0, hi=3)], tag=d, n=6, to=d)
        case("one_hot", hot, [ints("u8", lo=0, hi=3)], tag=d, n=4, to=d)


def structure():
    for d in FLOATS + INTS:
        for start, stop, step in [(0, 5, 1), (2, 17, 5), (7, 7, 1)] + ([] if d == "u8" else [(9, -4, -3)]):
            case("arange", lambda to, start, stop, step: torch.arange(start, stop, step, dtype=TORCH[to]), [], tag=f"{d},{start},{stop},{step}", to=d, start=start, stop=stop, step=step)
    case("arange", lambda to, start, stop, step: torch.arange(start, stop, step, dtype=TORCH[to]), [], tag="f64,fraction", to="f64", start=-1.0, stop=1.0, step=0.25)

    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return 10 * g * ctx.saved_tensors[0]

    for d in FLOATS:
        case("stop_gradient", lambda x: x * x.detach(), [special(d)], tag=d)
        case("no_grad", lambda x: x * (2 * x).detach(), [rand(d, 5)])
        case("barrier", lambda x, y: x * x + y, [rand(d, 5), rand(d, 5, at=7)])
        case("custom_vjp", lambda x: Square.apply(x) + x, [rand(d, 3, 4)])
        case("used_twice", lambda x: (x * x).exp() + x.sum(0) * x, [rand(d, 3, 4)])
        for n in INTS:
            case("literal", lambda x, y: x * y + y, [rand(d, 3, 4), ints(n, 4)])
        # the gradient of sum(y*y) with y = tanh(x)*exp(x), as a function of x
        def second(x):
            y = torch.tanh(x) * torch.exp(x)
            return torch.autograd.grad((y * y).sum(), x, create_graph=True)[0]
        case("second_order", second, [rand(d, 7)])


if __name__ == "__main__":
    for part in [elementwise, binary, logic, casts, shapes, reductions, contractions, indexing, structure]:
        part()
    compose.functions(case, rand, positive, ints, of)
    compose.statistics(case, rand, ints, bools, of)
    compose.parts(case, rand, positive, ints, bools, of)
    compose.losses(case, rand, ints, positive)
    nets.losses(case, rand, ints, positive)
    nets.optimizers(store, rand)
    store.write(os.path.join(os.path.dirname(os.path.abspath(__file__)), "ops"))
