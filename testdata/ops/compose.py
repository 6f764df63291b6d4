"""Cases of what package graph composes: functions, predicates, statistics, scans,
parts of matrices, repetitions and activations."""
import torch
import torch.nn.functional as F

FLOATS = ["f32", "f64"]
inf, nan = float("inf"), float("nan")

# Finite numbers where functions have corners.
CORNERS = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.5, 3.0, -3.0, 6.0, 1e-5, -1e-5, 17.0, -17.0, 30.0, -30.0]


def functions(case, rand, positive, ints, of):
    def grid(op, f, make=rand, values=None, edges=True, **attr):
        for d in FLOATS:
            for shape in [(), (0, 2), (1,), (3, 5)]:
                case(op, f, [make(d, *shape)], tag=f"{d}{list(shape)}{list(attr.values()) or ''}", **attr)
            case(op, f, [make(d, 4, 3)], tag=d + f"view{list(attr.values()) or ''}", view=["t"], **attr)
            if values:
                case(op, f, [of(d, *values)], tag=d + f"corners{list(attr.values()) or ''}", **attr)
            if edges:
                case(op, f, [of(d, inf, -inf, nan)], tag=d + f"edges{list(attr.values()) or ''}", grad=False, **attr)

    def unit(d, *shape):  # within (-1, 1)
        return torch.tanh(rand(d, *shape)) * 0.95

    def within(d, *shape):  # within (0, 1)
        return torch.sigmoid(rand(d, *shape))

    grid("reciprocal", torch.reciprocal, positive, [2.0, -0.25, 1e10, 0.0])
    grid("square", torch.square, rand, CORNERS)
    grid("exp2", torch.exp2, rand, [0.0, 1.0, -1.0, 10.0, -30.5, 100.0])
    grid("log2", torch.log2, positive, [3.0, 0.3, 1e10, 1e-20])
    grid("log10", torch.log10, positive, [3.0, 0.3, 1e10, 1e-20])
    grid("tan", torch.tan, unit, [0.0, 1.0, -1.0, 1.4, 3.0])
    grid("sinh", torch.sinh, rand, [0.0, 1e-5, -1e-20, 5.0, -30.0, 80.0])
    grid("cosh", torch.cosh, rand, [0.0, 1e-5, 5.0, -30.0, 80.0])
    grid("asinh", torch.asinh, rand, [0.0, 1e-5, -1e-5, 1e4, -1e7, 1e8, 1e9, -1e30])
    grid("acosh", torch.acosh, lambda d, *s: positive(d, *s) + 1, [1.5, 10.0, 1e7, 1e9, 1e30])
    grid("atanh", torch.atanh, unit, [0.0, 1e-5, -1e-20, 0.999])
    # Near 0 the derivative is a difference that cancels.
    grid("sinc", torch.sinc, lambda d, *s: unit(d, *s) + unit(d, *s).sign() * 0.25, [0.0, 0.5, -0.25], edges=False)
    grid("logit", torch.logit, within, [0.5, 0.01, 0.99])
    grid("trunc", torch.trunc, rand, CORNERS)
    grid("frac", torch.frac, rand, [0.25, -0.25, 7.75, -7.75, 0.0])
    for op, f in {"is_nan": torch.isnan, "is_inf": torch.isinf, "is_finite": torch.isfinite}.items():
        for d in FLOATS:
            case(op, f, [of(d, 0.0, 1.0, inf, -inf, nan)], grad=False)
            case(op, f, [rand(d)], grad=False)
        case(op, f, [ints("i32", 3)])
    for d in FLOATS:
        case("nan_to_num", lambda x, bounds: torch.nan_to_num(x, *map(float, bounds)), [of(d, 1.0, nan, inf, -inf, 0.0)], bounds=["0.5", "100", "-100"])
        case("nan_to_num", lambda x, bounds: torch.nan_to_num(x, *map(float, bounds)), [rand(d, 2, 3)], bounds=["0", "inf", "-inf"])

    two = {"hypot": torch.hypot, "log_add_exp": torch.logaddexp, "x_log_y": torch.xlogy, "fmod": torch.fmod}
    for op, f in two.items():
        make = positive if op in ("x_log_y", "fmod") else rand
        for d in FLOATS:
            for a, b in [((), ()), ((3,), (3,)), ((2, 1), (3,)), ((0,), (1,)), ((2, 3), ())]:
                case(op, f, [make(d, *a), make(d, *b, at=50)])
            case(op, f, [make(d, 3, 4), make(d, 4, 3, at=50)], view=["t", None])
    for d in FLOATS:
        case("hypot", torch.hypot, [of(d, 3.0, -5.0, 1e30, 0.0), of(d, 4.0, 12.0, 1e30, 2.0)], tag=d + "large")
        case("log_add_exp", torch.logaddexp, [of(d, 0.0, 500.0, -500.0, 3.0, -inf), of(d, 0.0, 499.0, -500.0, -40.0, 1.0)], tag=d + "large")
        case("x_log_y", torch.xlogy, [of(d, 0.0, 0.0, 2.0), of(d, 1.0, 3.0, 5.0)], tag=d + "zero")
        case("fmod", torch.fmod, [of(d, 7.0, -7.0, 7.5, -7.5, 0.5), of(d, 3.0, 3.0, -3.0, -3.0, 2.0)], tag=d + "signs")
        lerp = torch.lerp
        for s in [((), (), ()), ((3,), (3,), (3,)), ((2, 3), (3,), (2, 1))]:
            case("lerp", lerp, [rand(d, *s[0]), rand(d, *s[1], at=9), rand(d, *s[2], at=40)])
        for c in [1.0, -0.5]:
            cm = lambda x, a, b, c: torch.addcmul(x, a, b, value=c)
            cd = lambda x, a, b, c: torch.addcdiv(x, a, b, value=c)
            case("addcmul", cm, [rand(d, 2, 3), rand(d, 3, at=9), rand(d, 2, 1, at=40)], tag=f"{d}{c}", c=c)
            case("addcdiv", cd, [rand(d, 2, 3), rand(d, 3, at=9), positive(d, 2, 1, at=40)], tag=f"{d}{c}", c=c)

    # activations
    acts = {
        "leaky_relu": (F.leaky_relu, 0.01, 0.3), "elu": (F.elu, 1.0, 0.4), "celu": (F.celu, 1.0, 0.5), "hardshrink": (F.hardshrink, 0.5, 0.0), "softshrink": (F.softshrink, 0.5, 1.25),
    }
    for op, (f, *params) in acts.items():
        for c in params:
            grid(op, lambda x, c, f=f: f(x, c), rand, CORNERS, edges=op not in ("softshrink",), c=c)
    plain = {
        "selu": F.selu, "silu": F.silu, "mish": F.mish, "relu6": F.relu6, "hardsigmoid": F.hardsigmoid, "hardswish": F.hardswish, "log_sigmoid": F.logsigmoid,
        "softsign": F.softsign, "tanhshrink": F.tanhshrink, "gelu": F.gelu, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    }
    for op, f in plain.items():
        grid(op, f, rand, CORNERS, edges=op not in ("softsign", "gelu", "gelu_tanh", "hardswish"))
    for c in [1.0, 0.5]:  # PyTorch's threshold, 20 by default, is raised: ours has none
        grid("softplus", lambda x, c: F.softplus(x, c, 1000), rand, CORNERS, c=c)
    for b in [["-1", "1"], ["0", "6"]]:
        grid("hardtanh", lambda x, bounds: F.hardtanh(x, *map(float, bounds)), rand, CORNERS, bounds=b)
    grid("threshold", lambda x, bounds: F.threshold(x, *map(float, bounds)), rand, CORNERS, bounds=["0.1", "20"])
    for d in FLOATS:
        for shape, axis in [((4,), 0), ((2, 6), -1), ((4, 3), 0), ((0, 2), 1)]:
            case("glu", lambda x, axis: F.glu(x, axis), [rand(d, *shape)], tag=f"{d}{list(shape)}", axis=axis)
        case("prelu", lambda x, w: torch.prelu(x, w), [rand(d, 3), rand(d, 1, at=9)])
        case("prelu", lambda x, w: torch.where(x > 0, x, w * x), [rand(d, 2, 3), rand(d, 3, at=9)])


def statistics(case, rand, ints, bools, of):
    for d in FLOATS:
        for op, f in {"var": torch.var, "std": torch.std}.items():
            def g(x, axes, correction, keep=False, f=f):
                return f(x, dim=axes or None, correction=correction, keepdim=keep)
            for shape, axes in [((), []), ((1,), [0]), ((7,), []), ((3, 5), [0]), ((3, 5), [-1]), ((2, 3, 4), [0, 2]), ((0, 3), [1])]:
                for c in [0, 1, 2.5]:
                    # of equal numbers the gradient of torch.std is not defined where it divides by 0
                    case(op, g, [rand(d, *shape)], tag=f"{d}{list(shape)}over{axes}less{c}", grad=shape not in [(), (1,)], axes=axes, correction=c)
            case(op, g, [rand(d, 4, 5)], tag=d + "keep", view=["t"], axes=[1], correction=1, keep=True)
            case(op, g, [of(d, 3.0, 3.0, 3.0)], tag=d + "equal", axes=[0], correction=1)
            case(op, g, [of(d, 1.0, nan, 3.0)], tag=d + "nan", axes=[0], correction=1)
            case(op, g, [of(d, 1e4, 1e4 + 1, 1e4 + 2)], tag=d + "offset", axes=[0], correction=0)
        for p in ["2", "1", "0", "inf", "-inf", "3", "0.5", "-1"]:
            def norm(x, p, axes, keep=False):
                return torch.linalg.vector_norm(x, float(p), dim=axes or None, keepdim=keep)
            for shape, axes in [((), []), ((5,), [0]), ((3, 4), [1]), ((2, 3, 2), [0, 2])]:
                case("norm", norm, [rand(d, *shape)], tag=f"{d}{list(shape)}over{axes},{p}", p=p, axes=axes)
            case("norm", norm, [rand(d, 4, 3)], tag=d + "keep" + p, view=["t"], p=p, axes=[0], keep=True)
            if p not in ("0.5", "-1", "-inf"):
                case("norm", norm, [of(d, 0.0, 0.0, 0.0)], tag=d + "zero" + p, p=p, axes=[0])
            case("norm", norm, [of(d, 2.0, -2.0, 1.0, -1.0)], tag=d + "ties" + p, p=p, axes=[])
            case("norm", norm, [of(d, 1.0, nan, 2.0)], tag=d + "nan" + p, grad=False, p=p, axes=[0])
        x = of(d, 1.0, nan, 3.0, nan, nan, nan).reshape(3, 2)
        for op, f in {"nan_sum": torch.nansum, "nan_mean": torch.nanmean}.items():
            for axes in [[0], [1], []]:
                # the gradient of torch.nanmean is NaN where all are
                case(op, lambda x, axes, f=f: f(x, dim=axes or None), [x], tag=f"{d}over{axes}", grad=axes == [] or op == "nan_sum", axes=axes)
            case(op, lambda x, axes, f=f: f(x, dim=axes), [rand(d, 3, 4)], tag=d, axes=[1])
    whole = {"all": torch.all, "any": torch.any}
    for op, f in whole.items():
        def g(x, axes, keep=False, f=f):
            return f(x, dim=tuple(axes) if axes else None, keepdim=keep)
        for axes in [[0], [1], [], [0, 1]]:
            case(op, g, [bools(3, 4)], tag=f"over{axes}", axes=axes)
        case(op, g, [bools(2, 0)], tag="none", axes=[1])
        case(op, g, [of("f32", 0.0, nan, 0.0, 1.0).reshape(2, 2)], tag="floats", grad=False, axes=[1], keep=True)
        case(op, g, [ints("i64", 4, 2, lo=0, hi=1)], tag="ints", axes=[0])
    for axes in [[0], [], [1]]:
        case("count_nonzero", lambda x, axes: torch.count_nonzero(x, dim=axes or None), [of("f64", 0.0, nan, -0.0, 1.0).reshape(2, 2)], tag=f"over{axes}", grad=False, axes=axes)
    case("count_nonzero", lambda x, axes: torch.count_nonzero(x, dim=axes), [bools(3, 4)], axes=[0])


def parts(case, rand, positive, ints, bools, of):
    scans = {"cumsum": torch.cumsum, "cumprod": torch.cumprod, "log_cum_sum_exp": torch.logcumsumexp}
    pairs = {"cummax": torch.cummax, "cummin": torch.cummin}
    for d in FLOATS:
        for op, f in scans.items():
            g = lambda x, axis, f=f: f(x, axis)
            for shape, axis in [((1,), 0), ((7,), 0), ((3, 5), 0), ((3, 5), -1), ((2, 33), 1), ((2, 0), 1), ((0, 3), 1)]:
                case(op, g, [rand(d, *shape)], tag=f"{d}{list(shape)}over{axis}", axis=axis)
            case(op, g, [rand(d, 4, 3)], tag=d + "view", view=["t"], axis=1)
        case("cumsum", lambda x, axis: torch.cumsum(x, axis), [of(d, 1.0, inf, 2.0, -inf, 3.0, nan)], tag=d + "edges", axis=0)
        case("cumprod", lambda x, axis: torch.cumprod(x, axis), [of(d, 2.0, 0.0, 3.0, 0.0, 4.0)], tag=d + "zeros", axis=0)
        case("log_cum_sum_exp", lambda x, axis: torch.logcumsumexp(x, axis), [of(d, -500.0, 500.0, 499.0, -500.0)], tag=d + "large", axis=0)
        for op, f in pairs.items():
            g = lambda x, axis, f=f: tuple(f(x, axis))
            for shape, axis in [((1,), 0), ((9,), 0), ((3, 5), 0), ((3, 5), -1), ((2, 0), 1)]:
                case(op, g, [rand(d, *shape)], tag=f"{d}{list(shape)}over{axis}", axis=axis)
            case(op, g, [of(d, 1.0, 1.0, 3.0, 3.0, 2.0, inf, inf, -inf)], tag=d + "ties", axis=0)
            case(op, g, [of(d, 1.0, nan, 3.0, nan, -inf)], tag=d + "nan", axis=0)
        for shape, axis in [((5,), 0), ((3, 4), 0), ((3, 4), -1), ((3, 1), 1), ((0, 2), 1)]:
            case("diff", lambda x, axis: torch.diff(x, dim=axis), [rand(d, *shape)], tag=f"{d}{list(shape)}over{axis}", axis=axis)
    for t in ["u8", "i32", "i64"]:
        case("cumsum", lambda x, axis: torch.cumsum(x, axis), [ints(t, 3, 4)], tag=t, axis=1)
        case("cumprod", lambda x, axis: torch.cumprod(x, axis), [ints(t, 4, 3)], tag=t, axis=0)
        case("cummax", lambda x, axis: tuple(torch.cummax(x, axis)), [ints(t, 9)], tag=t, axis=0)
    case("cumsum", lambda x, axis: torch.cumsum(x, axis), [bools(7)], tag="bool", axis=0)

    def both(op, f, *shape, tag="", **kw):
        for d in FLOATS:
            case(op, f, [rand(d, *shape)], tag=f"{d}{list(shape)}{tag}", **kw)
        case(op, f, [ints("i32", *shape)], tag=f"i32{list(shape)}{tag}", **kw)

    for op, f in {"tril": torch.tril, "triu": torch.triu}.items():
        for shape in [(3, 3), (2, 4), (2, 3, 2), (0, 2), (1, 1)]:
            for k in [0, 1, -2]:
                both(op, lambda x, k, f=f: f(x, k), *shape, tag=f",{k}", k=k)
        for d in FLOATS:
            case(op, lambda x, k, f=f: f(x, k), [of(d, nan, inf, 1.0, nan).reshape(2, 2)], tag=d + "edges", k=0)
            case(op, lambda x, k, f=f: f(x, k), [rand(d, 4, 3)], tag=d + "view", view=["t"], k=0)
    for shape, k, axes in [((3, 3), 0, [0, 1]), ((3, 5), 1, [0, 1]), ((3, 5), -1, [1, 0]), ((2, 3, 4), 0, [-1, 0]), ((2, 2), 5, [0, 1]), ((0, 3), 0, [0, 1])]:
        both("diagonal", lambda x, k, axes: torch.diagonal(x, k, *axes), *shape, tag=f",{k},{axes}", k=k, axes=axes)
    for shape in [(3,), (2, 3), (0,), (1, 1)]:
        both("diag_embed", torch.diag_embed, *shape)
    both("trace", torch.trace, 3, 4)
    both("trace", torch.trace, 1, 1)
    for n, m in [(3, 3), (2, 4), (0, 2)]:
        for t in ["f32", "i64"]:
            case("eye", lambda to, dims: torch.eye(*dims, dtype={"f32": torch.float32, "i64": torch.int64}[to]), [], tag=f"{t}[{n},{m}]", to=t, dims=[n, m])
    for d in FLOATS:
        for a, b, axes in [((2, 3), (3, 2), [[1], [0]]), ((2, 3, 4), (4, 3, 2), [[1, 2], [1, 0]]), ((2,), (3,), [[], []]), ((2, 3), (2, 3), [[0, -1], [0, 1]])]:
            case("tensor_dot", lambda x, y, axes, sizes: torch.tensordot(x, y, (axes, sizes)), [rand(d, *a), rand(d, *b, at=60)], axes=axes[0], sizes=axes[1])
    for shape, axis, n in [((5,), 0, 2), ((5,), 0, -7), ((3, 4), 1, 1), ((3, 4), 0, 3), ((2, 0), 1, 1), ((1,), 0, 5)]:
        both("roll", lambda x, axis, n: torch.roll(x, n, axis), *shape, tag=f"over{axis}by{n}", axis=axis, n=n)
    for shape, sizes in [((), [3]), ((2,), [3]), ((2, 3), [2, 1, 2]), ((2, 3), [0, 2]), ((0, 2), [2, 3])]:
        both("repeat", lambda x, sizes: x.repeat(sizes), *shape, tag=f"{sizes}", sizes=sizes)
        both("tile", lambda x, sizes: torch.tile(x, sizes), *shape, tag=f"{sizes}", sizes=sizes)
    both("tile", lambda x, sizes: torch.tile(x, sizes), 2, 3, tag="short", sizes=[2])
    for shape, axis, sizes in [((3,), 0, [2]), ((2, 3), 1, [2, 0, 3]), ((2, 3), 0, [1, 2]), ((2, 3), -1, [3]), ((0, 2), 1, [2])]:
        both("repeat_interleave", lambda x, axis, sizes: torch.repeat_interleave(x, torch.tensor(sizes) if len(sizes) > 1 else sizes[0], dim=axis), *shape, tag=f"{sizes}over{axis}", axis=axis, sizes=sizes)
    for shape, axis, n in [((7,), 0, 3), ((6,), 0, 4), ((2, 5), 1, 2), ((1,), 0, 3)]:
        both("chunk", lambda x, axis, n: torch.chunk(x, n, axis), *shape, tag=f"over{axis}by{n}", axis=axis, n=n)
    both("unbind", lambda x, axis: torch.unbind(x, axis), 2, 3, axis=1)
    both("unflatten", lambda x, axis, dims: x.unflatten(axis, dims), 2, 6, axis=1, dims=[3, -1])
    both("move_axis", lambda x, a, b: torch.movedim(x, a, b), 2, 3, 4, a=0, b=-1)
    both("move_axis", lambda x, a, b: torch.movedim(x, a, b), 2, 3, 4, tag="back", a=2, b=0)
    for d in FLOATS:
        for shape, mask in [((3, 4), (3, 4)), ((3, 4), (4,)), ((4,), (3, 1)), ((), ()), ((0, 2), (2,))]:
            case("masked_fill", lambda x, m, c: torch.masked_fill(x.expand(torch.broadcast_shapes(x.shape, m.shape)), m, c), [rand(d, *shape), bools(*mask)], c=-2.5)
        for start, stop, n in [(0, 1, 5), (3, -2, 4), (1, 2, 1), (0.1, 0.7, 8), (1, 1, 3)]:
            case("linspace", lambda to, start, stop, n: torch.linspace(start, stop, n, dtype={"f32": torch.float32, "f64": torch.float64}[to]), [], tag=f"{d},{start},{stop},{n}", to=d, start=start, stop=stop, n=n)
        es = lambda *xs, spec: torch.einsum(spec, *xs)
        for spec, shapes in [
            ("ii->i", [(3, 3)]), ("ii", [(3, 3)]), ("iij->j", [(2, 2, 3)]), ("ij,ji->", [(2, 3), (3, 2)]), ("ii,i->i", [(3, 3), (3,)]), ("i,j,k->ijk", [(2,), (3,), (2,)]),
            ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 2)]), ("bi,ij,bj->b", [(2, 3), (3, 4), (2, 4)]), ("...i,...i", [(2, 3), (3,)]), ("...ij->...", [(2, 3, 4)]), ("...ii->...i", [(2, 3, 3)]),
            ("i...,i...->...", [(2, 3), (2, 1)]), ("ij,ij,ij,ij->i", [(2, 3), (2, 1), (1, 3), (2, 3)]), (",i->i", [(), (3,)]), ("ij,j", [(2, 0), (0,)]), ("ba", [(2, 3)]), ("iji->j", [(2, 3, 2)])]:
            case("einsum", es, [rand(d, *s, at=30 * i) for i, s in enumerate(shapes)], tag=f"{d}{spec}of{len(shapes)}", spec=spec)


def losses(case, rand, ints, positive):
    for d in FLOATS:
        def reductions(op, f, xs, tag, **attr):
            for r in ["mean", "sum", "none"]:
                case(op, lambda *x, reduction, **kw: f(*x, reduction=reduction, **kw), xs, tag=f"{tag},{r}", reduction=r, **attr)
        for shape in [(), (1,), (3, 4), (0, 2)]:
            x, y, tag = rand(d, *shape), rand(d, *shape, at=77), f"{d}{list(shape)}"
            reductions("l1", F.l1_loss, [x, y], tag)
            for c in [1.0, 0.3]:
                reductions("huber", lambda x, y, reduction, c: F.huber_loss(x, y, reduction, c), [x, y], f"{tag},{c}", c=c)
                reductions("smooth_l1", lambda x, y, reduction, c: F.smooth_l1_loss(x, y, reduction=reduction, beta=c), [x, y], f"{tag},{c}", c=c)
            reductions("bce", F.binary_cross_entropy_with_logits, [x * 3, torch.sigmoid(y)], tag)
        case("l1", lambda x, y, reduction: F.l1_loss(x, y), [rand(d, 3), rand(d, 3)], tag=d + "equal", reduction="mean")
        case("smooth_l1", lambda x, y, reduction, c: F.smooth_l1_loss(x, y, beta=c), [rand(d, 3), rand(d, 3, at=5)], tag=d + "zero", reduction="mean", c=0.0)
        x, y = rand(d, 3, 4) * 4, torch.sigmoid(rand(d, 3, 4, at=5))
        # PyTorch has no gradients of weights.
        reductions("bce_positive", lambda x, y, weights, reduction: F.binary_cross_entropy_with_logits(x, y, pos_weight=torch.tensor(weights, dtype=x.dtype), reduction=reduction), [x, y], d, weights=[0.5, 2.0, 1.25, 3.0])
        reductions("bce_weighted", lambda x, y, weights, reduction: F.binary_cross_entropy_with_logits(x, y, torch.tensor(weights, dtype=x.dtype).reshape(-1, 1), reduction=reduction), [x, y], d, weights=[0.5, 2.0, 0.0])
        for shape in [(5,), (2, 3)]:
            x, y = torch.log_softmax(rand(d, *shape), -1), torch.softmax(rand(d, *shape, at=9), -1)
            for r in ["mean", "sum", "none", "batchmean"]:
                case("kl_div", lambda x, y, reduction: F.kl_div(x, y, reduction=reduction), [x, y], tag=f"{d}{list(shape)}{r}", reduction=r)
                case("kl_div_log", lambda x, y, reduction: F.kl_div(x, y, reduction=reduction, log_target=True), [x, y.log()], tag=f"{d}{list(shape)}{r}", reduction=r)

        def classes_second(f):
            def g(x, y, n=None, weights=None, reduction=None, smoothing=None):
                kw = {"ignore_index": -100 if n is None else n, "reduction": reduction}
                if smoothing is not None:
                    kw["label_smoothing"] = smoothing
                perm = [0, x.dim() - 1] + list(range(1, x.dim() - 1))
                if weights:
                    kw["weight"] = torch.tensor(weights, dtype=x.dtype)
                if y.is_floating_point():
                    del kw["ignore_index"]
                    return f(x.permute(perm), y.permute(perm), **kw)
                return f(x.permute(perm), y.long(), **kw)
            return g
        for shape in [(4, 3), (2, 3, 5)]:
            x, y, w = rand(d, *shape) * 3, ints("i64", *shape[:-1], lo=0, hi=shape[-1] - 1), [0.5, 2.0, 1.25, 3.0, 0.75][:shape[-1]]
            logp = torch.log_softmax(x, -1)
            for n in [None, 1, -7]:
                attr = {} if n is None else {"n": n}
                label = torch.where(y == 0, n, y) if n == -7 else y
                tag = f"{d}{list(shape)}ignore{n}"
                if n is not None:
                    reductions("nll_ignore", classes_second(F.nll_loss), [logp, label], tag, **attr)
                    for s in [0.0, 0.2]:
                        reductions("cross_entropy_ignore", classes_second(F.cross_entropy), [x, label], f"{tag},{s}", smoothing=s, **attr)
                        reductions("cross_entropy_ignore_weighted", classes_second(F.cross_entropy), [x, label], f"{tag},{s}", weights=w, smoothing=s, **attr)
                else:
                    reductions("nll", classes_second(F.nll_loss), [logp, label], tag)
                    reductions("nll_weighted", classes_second(F.nll_loss), [logp, label], tag, weights=w)
                    for s in [0.0, 0.2]:
                        reductions("cross_entropy_weighted", classes_second(F.cross_entropy), [x, label], f"{tag},{s}", weights=w, smoothing=s)
                        reductions("cross_entropy_weighted", classes_second(F.cross_entropy), [x, torch.softmax(rand(d, *shape, at=99), -1)], f"prob{tag},{s}", weights=w, smoothing=s)
