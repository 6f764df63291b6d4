#!/usr/bin/env python3
"""What PyTorch computes for attention, for package proof: the function over a
grid of masks, sizes and grouped heads, rotary positions in both conventions, and
modules with their state, as layers.py has them.

    python3 attention.py      # writes attention.npz and attention.jsonl beside itself
"""
import itertools
import os

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from layers import modules
from make_ops import FLOATS, bools, case, of, rand, store

inf = float("inf")


def products():
    def attend(q, k, v, mask=None, causal=False, scale=None, grouped=False):
        with sdpa_kernel(SDPBackend.MATH):
            return F.scaled_dot_product_attention(q, k, v, mask, 0.0, causal, scale=scale and scale[0], enable_gqa=grouped)

    def add(d, q, k, v, mask=None, tag="", grad=True, **kw):
        xs = [rand(d, *q, at=40), rand(d, *k, at=300), rand(d, *v, at=900)]
        if mask is not None:
            xs.append(mask)
        sizes = f"{list(q)}{list(k)}{list(v)}".replace(" ", "")
        case("attention", attend, xs, tag=f"{d}{sizes}{tag}{''.join(kw)}", grad=grad, **kw)

    sizes = [  # queries, keys, values
        ((2, 3, 5, 4), (2, 3, 5, 4), (2, 3, 5, 4)),
        ((2, 1, 3, 8), (2, 1, 6, 8), (2, 1, 6, 8)),
        ((1, 2, 7, 4), (1, 2, 4, 4), (1, 2, 4, 6)),
        ((2, 4, 3), (2, 5, 3), (2, 5, 2)),
        ((1, 1, 1, 1), (1, 1, 1, 1), (1, 1, 1, 1)),
        ((1, 1, 1, 5), (1, 1, 9, 5), (1, 1, 9, 5)),
        ((2, 2, 6, 1), (2, 2, 6, 1), (2, 2, 6, 1)),
        ((1, 1, 17, 16), (1, 1, 19, 16), (1, 1, 19, 3)),
        ((1, 2, 20, 2), (1, 2, 24, 2), (1, 2, 24, 2)),
        ((0, 2, 3, 4), (0, 2, 3, 4), (0, 2, 3, 4)),
        ((2, 2, 0, 4), (2, 2, 3, 4), (2, 2, 3, 4)),
        ((2, 2, 3, 4), (2, 2, 3, 4), (2, 2, 3, 0)),
    ]
    for d in FLOATS:
        for q, k, v in sizes:
            scores = (*q[:-1], k[-2])
            add(d, q, k, v)
            add(d, q, k, v, causal=True)
            add(d, q, k, v, scale=[0.3], causal=True)
            add(d, q, k, v, bools(*scores), tag="bool")
            add(d, q, k, v, rand(d, *scores[-2:], at=5), tag="added")
            m = rand(d, *scores, at=77)
            add(d, q, k, v, torch.where(m > 0.5, torch.full_like(m, -inf), m), tag="addedinf")
        q, k, v = sizes[0]
        for shape in [(1,), (5,), (5, 1), (1, 5), (2, 1, 1, 5), (3, 5, 5), (1, 1, 5, 5)]:
            add(d, q, k, v, bools(*shape, at=8), tag=f"bool{list(shape)}")
            # What is the same for all keys changes nothing; its gradient is rounding.
            add(d, q, k, v, rand(d, *shape, at=8), tag=f"added{list(shape)}", grad=shape[-1] > 1)
        rows = torch.zeros(5, 5, dtype=rand(d, 1).dtype)
        rows[1], rows[2, 2:], rows[4, :4] = -inf, -inf, -inf
        add(d, q, k, v, rows, tag="deadrow")
        add(d, q, k, v, rows == 0, tag="deadrowbool")
        add(d, q, k, v, torch.full_like(rows[:, :1], -inf), tag="deadall")
        add(d, (2, 3, 4), (2, 3, 4), (2, 3, 4), tag="negative", scale=[-2.0])
        add(d, (2, 3, 4), (2, 3, 4), (2, 3, 4), tag="twice", scale=[2.0])
        # One weight is nearly 1: the gradient is the rounding of differences.
        add(d, (2, 3, 4), (2, 3, 4), (2, 3, 4), tag="large", scale=[25.0], grad=False)
        add(d, (2, 3, 0), (2, 5, 0), (2, 5, 4), scale=[1.0])
        for heads, shared in [(4, 2), (4, 1), (6, 3), (2, 2)]:
            for causal, (l, s) in itertools.product([False, True], [(5, 5), (3, 6)]):
                q, k = (2, heads, l, 4), (2, shared, s, 4)
                kw = dict(grouped=True, causal=True) if causal else dict(grouped=True)
                add(d, q, k, k, tag=f"causal{causal}", **kw)
                if not causal:
                    add(d, q, k, k, bools(l, s), tag="bool", **kw)
                    add(d, q, k, k, bools(2, heads, l, s), tag="boolheads", **kw)
                    add(d, q, k, k, rand(d, heads, 1, s, at=7), tag="addedheads", **kw)
                    add(d, q, k, k, rand(d, 2, 1, l, s, at=7), tag="addedbatch", **kw)


def angles(x, at, base):
    size = x.shape[-1]
    rates = 1.0 / base ** (torch.arange(0, size, 2, dtype=torch.float64) / size)
    return at[..., None].to(x.dtype) * rates.to(x.dtype)


def interleaved(x, at, base=10000.0, **_):
    """torchtune's RotaryPositionalEmbeddings, in the precision of x."""
    a = angles(x, at, base)
    pairs = x.reshape(*x.shape[:-1], x.shape[-1] // 2, 2)
    cos, sin = a.cos(), a.sin()
    return torch.stack([pairs[..., 0] * cos - pairs[..., 1] * sin, pairs[..., 1] * cos + pairs[..., 0] * sin], -1).flatten(-2)


def halves(x, at, base=10000.0, **_):
    """The rotation of Hugging Face's Llama, in the precision of x."""
    a = angles(x, at, base)
    a = torch.cat([a, a], -1)
    x1, x2 = x.chunk(2, -1)
    return x * a.cos() + torch.cat([-x2, x1], -1) * a.sin()


def positions():
    for d in FLOATS:
        for f, kw in [(interleaved, {}), (halves, dict(halves=True))]:
            for x in [(2, 3, 5, 8), (4, 2), (1, 1, 6), (2, 9, 4), (0, 3, 4), (2, 3, 0)]:
                at = torch.arange(x[-2])
                case("rotary", f, [rand(d, *x), at], tag=f"{d}{list(x)}{''.join(kw)}", **kw)
            case("rotary", f, [rand(d, 2, 4, 6), torch.tensor([0, 3, 100, 7])], tag=f"{d}at{''.join(kw)}", base=500.0, **kw)
            case("rotary", f, [rand(d, 2, 3, 4), torch.tensor([[0, 1, 2], [5, 6, 7]], dtype=torch.int32)], tag=f"{d}each{''.join(kw)}", **kw)


class Look(nn.Module):
    """An attention whose queries are the first rows of x, keys and values others."""
    def __init__(self, attn, rows, **kw):
        super().__init__()
        self.attn, self.rows, self.kw = attn, rows, kw

    def forward(self, x):
        q, k, v = x.split(self.rows, -2) if self.rows else (x, x, x)
        return self.attn(q, k, v, need_weights=False, **self.kw)[0]


class See(nn.Module):
    """A transformer layer with a causal mask."""
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        n = x.shape[-2]
        return self.layer(x, src_mask=torch.ones(n, n, dtype=torch.bool).triu(1), is_causal=True)


class Grouped(nn.Module):
    """torchtune's MultiHeadAttention, in plain PyTorch."""
    def __init__(self, size, heads, shared, bias, turn=None):
        super().__init__()
        self.heads, self.shared, self.turn = heads, shared, turn
        kv = size // heads * shared
        self.q_proj, self.k_proj, self.v_proj = nn.Linear(size, size, bias), nn.Linear(size, kv, bias), nn.Linear(size, kv, bias)
        self.output_proj = nn.Linear(size, size, bias)

    def forward(self, x):
        split = lambda y, n: y.unflatten(-1, (n, -1)).transpose(-2, -3)
        q, k, v = split(self.q_proj(x), self.heads), split(self.k_proj(x), self.shared), split(self.v_proj(x), self.shared)
        if self.turn:
            at = torch.arange(x.shape[-2])
            q, k = self.turn(q, at), self.turn(k, at)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return self.output_proj(y.transpose(-2, -3).flatten(-2))


def attention(**kw):
    return nn.MultiheadAttention(8, 2, batch_first=True, **kw)


def layer(**kw):
    return nn.TransformerEncoderLayer(8, 2, 12, 0.0, batch_first=True, **kw)


# The table of proof/attention_modules_test.go has the same names.
MODULES = {
    "attention_self": (lambda: Look(attention(), None), [(2, 5, 8), (4, 8)]),
    "attention_self_no_bias": (lambda: Look(attention(bias=False), None), [(2, 5, 8)]),
    "attention_cross": (lambda: Look(attention(), [2, 3, 3]), [(2, 8, 8)]),
    "attention_cross_no_bias": (lambda: Look(attention(bias=False), [3, 2, 2]), [(2, 7, 8)]),
    "attention_masked": (lambda: Look(attention(), None, attn_mask=torch.ones(5, 5, dtype=torch.bool).triu(1)), [(2, 5, 8)]),
    "attention_grouped": (lambda: Grouped(8, 4, 2, False), [(2, 5, 8)]),
    "attention_rotary": (lambda: Grouped(8, 2, 1, True, interleaved), [(2, 5, 8)]),
    "attention_rotary_halves": (lambda: Grouped(8, 2, 2, True, halves), [(2, 5, 8)]),
    "transformer": (lambda: layer(), [(2, 5, 8), (3, 8)]),
    "transformer_pre": (lambda: layer(norm_first=True, activation="gelu"), [(2, 5, 8)]),
    "transformer_options": (lambda: layer(activation="gelu", layer_norm_eps=0.1, bias=False), [(2, 5, 8)]),
    "transformer_causal": (lambda: See(layer(norm_first=True)), [(2, 5, 8)]),
}


if __name__ == "__main__":
    products()
    positions()
    modules(MODULES)
    store.write(os.path.join(os.path.dirname(os.path.abspath(__file__)), "attention"), made_by="attention.py")
