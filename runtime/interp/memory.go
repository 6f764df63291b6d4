package interp

import (
	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

func bytesOf(p kernel.Param) int64 { return int64(p.Len) * int64(p.DType.Size()) }

// load returns element i of the memory of elements of type d.
func load(mem []byte, d types.DType, i int64) kernel.Scalar {
	return kernel.ReadScalar(d, mem[i*int64(d.Size()):])
}

// put stores element i.
func put(mem []byte, i int64, v kernel.Scalar) {
	v.Write(mem[i*int64(v.DType.Size()):])
}

// dead returns, per launch, the parts of the arena that hold no value then: no
// temporary written by an earlier launch and used by this or a later one.
func dead(p *kernel.Program) [][]span {
	first, last := make([]int, len(p.Buffers)), make([]int, len(p.Buffers))
	for b := range first {
		first[b], last[b] = len(p.Launches), -1
	}
	for i, l := range p.Launches {
		for j, b := range l.Args {
			if l.Kernel.Params[j].Out {
				first[b] = min(first[b], i)
			}
			last[b] = i
		}
	}
	out := make([][]span, len(p.Launches))
	for i := range p.Launches {
		parts := []span{{0, p.ArenaSize}}
		for b := range p.Buffers {
			if buf := &p.Buffers[b]; buf.Kind == kernel.TempBuffer && first[b] < i && i <= last[b] {
				parts = without(parts, span{buf.Offset, buf.Offset + buf.Bytes()})
			}
		}
		out[i] = parts
	}
	return out
}

// A span is a part of the arena, in bytes.
type span struct{ from, to int64 }

func without(parts []span, hole span) []span {
	var out []span
	for _, p := range parts {
		if left := (span{p.from, min(p.to, hole.from)}); left.from < left.to {
			out = append(out, left)
		}
		if right := (span{max(p.from, hole.to), p.to}); right.from < right.to {
			out = append(out, right)
		}
	}
	return out
}
