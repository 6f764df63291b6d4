"""Cases of layers, losses and optimizers: what packages nn and nn/optim promise."""
import torch
import torch.nn.functional as F

FLOATS = ["f32", "f64"]


def losses(case, rand, ints, positive):
    for d in FLOATS:
        case("linear", F.linear, [rand(d, 5, 7), rand(d, 3, 7, at=8), rand(d, 3)])
        case("linear", F.linear, [rand(d, 2, 5, 7), rand(d, 3, 7, at=8), rand(d, 3)])
        case("linear", F.linear, [rand(d, 7), rand(d, 3, 7, at=8), rand(d, 3)])
        case("linear", F.linear, [rand(d, 0, 7), rand(d, 3, 7, at=8), rand(d, 3)])
        case("linear", F.linear, [rand(d, 1, 1), rand(d, 1, 1, at=8), rand(d, 1)])
        case("linear_no_bias", F.linear, [rand(d, 5, 7), rand(d, 3, 7, at=8)])
        case("mlp", lambda x, w1, b1, w2, b2: F.linear(F.relu(F.linear(x, w1, b1)), w2, b2), [rand(d, 6, 5), rand(d, 8, 5, at=8), rand(d, 8), rand(d, 3, 8, at=9), rand(d, 3, at=30)])
    for d in FLOATS:
        for op, f in {"relu_layer": F.relu, "sigmoid_layer": torch.sigmoid, "tanh_layer": torch.tanh, "softmax_layer": lambda x: F.softmax(x, -1)}.items():
            case(op, f, [rand(d, 4, 6)])
        for r in ["mean", "sum", "none"]:
            mse = lambda x, y, reduction: F.mse_loss(x, y, reduction=reduction)
            for shape in [(), (1,), (4, 3)]:
                case("mse", mse, [rand(d, *shape), rand(d, *shape, at=77)], tag=f"{d}{list(shape)}{r}", reduction=r)

            def ce(x, y, reduction, smoothing=0.0):
                classes_last = list(range(x.dim()))
                if x.dim() > 2:  # torch wants the classes in dimension 1
                    classes_last = [0, x.dim() - 1] + list(range(1, x.dim() - 1))
                x = x.permute(classes_last)
                y = y.permute(classes_last) if y.is_floating_point() else y.long()
                return F.cross_entropy(x, y, reduction=reduction, label_smoothing=smoothing)
            for smoothing in [0.0, 0.1, 1.0]:
                kw = dict(reduction=r, smoothing=smoothing)
                for shape in [(4, 3), (7, 10), (1, 2), (3, 1), (2, 3, 5), (6,)]:
                    n, tag = shape[-1], f"{d}{list(shape)}{r},{smoothing}"
                    index = ints("i64", *shape[:-1], lo=0, hi=n - 1)
                    case("cross_entropy", ce, [rand(d, *shape), index], tag="index" + tag, **kw)
                    case("cross_entropy", ce, [rand(d, *shape) * 20, index], tag="large" + tag, **kw)
                    case("cross_entropy", ce, [rand(d, *shape), torch.softmax(rand(d, *shape, at=99), -1)], tag="prob" + tag, **kw)
        for n in ["i32", "u8"]:
            case("cross_entropy", lambda x, y, reduction: F.cross_entropy(x, y.long(), reduction=reduction), [rand(d, 4, 3), ints(n, 4, lo=0, hi=2)], reduction="mean")


def optimizers(store, rand):
    """Steps of SGD on a linear regression; every parameter after every step."""
    x, y = [rand("f32", 6, 4, at=100 + 30 * i) for i in range(6)], [rand("f32", 6, 3, at=400 + 30 * i) for i in range(6)]
    settings = {
        "plain": dict(lr=0.1), "momentum": dict(lr=0.1, momentum=0.9), "nesterov": dict(lr=0.05, momentum=0.9, nesterov=True),
        "weight_decay": dict(lr=0.1, momentum=0.5, weight_decay=0.1), "decay_only": dict(lr=0.1, weight_decay=0.3), "dampening": dict(lr=0.1, momentum=0.9, dampening=0.4),
        "all": dict(lr=0.03, momentum=0.8, weight_decay=0.2, nesterov=True),
        "clip_norm": dict(lr=0.1, momentum=0.9, clip_norm=0.3), "clip_norm_idle": dict(lr=0.1, clip_norm=1e3), "clip_value": dict(lr=0.1, momentum=0.9, clip_value=0.05),
        "accumulate": dict(lr=0.1, momentum=0.9, accumulate=2), "accumulate_clip": dict(lr=0.1, momentum=0.9, accumulate=3, clip_norm=0.2), "frozen": dict(lr=0.1, frozen=True),
    }
    for tag, attr in settings.items():
        w, b = rand("f32", 3, 4, at=9).requires_grad_(), rand("f32", 3, at=5).requires_grad_()
        start = [w.detach().clone(), b.detach().clone()]
        kw = {k: v for k, v in attr.items() if k in ("lr", "momentum", "nesterov", "weight_decay", "dampening")}
        opt = torch.optim.SGD([w] if attr.get("frozen") else [w, b], **kw)
        ws, bs, losses = [], [], []
        every = attr.get("accumulate", 1)
        for i in range(6):
            loss = F.mse_loss(F.linear(x[i], w, b), y[i])
            (loss / every).backward()
            losses.append(loss.detach())
            if (i + 1) % every == 0:
                if "clip_norm" in attr:
                    torch.nn.utils.clip_grad_norm_([w, b], attr["clip_norm"])
                if "clip_value" in attr:
                    torch.nn.utils.clip_grad_value_([w, b], attr["clip_value"])
                opt.step()
                opt.zero_grad()
            ws.append(w.detach().clone())
            bs.append(b.detach().clone())
        store.case(name="sgd/" + tag, op="sgd", attr=attr, **{
            "in": [store.put(t) for t in start + [torch.stack(x), torch.stack(y)]],
            "out": [store.put(torch.stack(losses)), store.put(torch.stack(ws)), store.put(torch.stack(bs))]})
