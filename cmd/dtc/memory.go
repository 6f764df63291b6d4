package main

import (
	"fmt"
	"slices"
	"strings"

	"dumbtorch/ir/kernel"
	"dumbtorch/passes"
)

// chartWidth is the most columns of the chart of lifetimes; programs of more
// launches get several launches in a column.
const chartWidth = 80

// printMemory prints the memory plan's figures, the resident buffers, and a
// chart with a line for every temporary: one column per launch, # while it is
// alive.
func (a *app) printMemory(done *passes.Compiled) {
	p := done.Program
	fmt.Fprint(a.out, done.Memory.String())
	for _, kind := range []kernel.BufferKind{kernel.InputBuffer, kernel.VariableBuffer, kernel.ConstBuffer, kernel.OutputBuffer} {
		total := int64(0)
		for _, i := range p.Of(kind) {
			total += p.Buffers[i].Bytes()
		}
		fmt.Fprintf(a.out, "%-9s %4d buffers %14d bytes\n", kind, len(p.Of(kind)), total)
	}
	lives := lifetimes(p)
	if len(lives) == 0 {
		fmt.Fprintln(a.out, "no temporaries")
		return
	}
	per := (len(p.Launches) + chartWidth - 1) / chartWidth
	columns := (len(p.Launches) + per - 1) / per
	scale := fmt.Sprintf("launches 0 to %d", len(p.Launches)-1)
	if per > 1 {
		scale += fmt.Sprintf(", %d per column", per)
	}
	fmt.Fprintf(a.out, "\n%-8s %14s %14s  %s\n", "temp", "bytes", "offset", scale)
	for _, l := range lives {
		b := &p.Buffers[l.buffer]
		fmt.Fprintf(a.out, "b%-7d %14d %14d  |%s|\n", l.buffer, b.Bytes(), b.Offset, bar(l.first/per, l.last/per, columns))
	}
	a.printLive(p, lives, per, columns)
}

// printLive prints how full the arena is at every launch, in tenths.
func (a *app) printLive(p *kernel.Program, lives []life, per, columns int) {
	full := make([]int64, columns)
	for i := range p.Launches {
		total := int64(0)
		for _, l := range lives {
			if l.first <= i && i <= l.last {
				total += p.Buffers[l.buffer].Bytes()
			}
		}
		full[i/per] = max(full[i/per], total)
	}
	var b strings.Builder
	for _, n := range full {
		b.WriteByte("0123456789*"[min(10, n*10/max(1, p.ArenaSize))])
	}
	fmt.Fprintf(a.out, "%-8s %14d %14s  |%s| tenths of the arena, * full\n", "live", slices.Max(full), "", b.String())
}

// A life is the launches from which to which a temporary holds a value.
type life struct{ buffer, first, last int }

// lifetimes returns the temporaries by their first launch.
func lifetimes(p *kernel.Program) []life {
	var out []life
	at := map[int]int{}
	for i, l := range p.Launches {
		for _, b := range l.Args {
			if p.Buffers[b].Kind != kernel.TempBuffer {
				continue
			}
			j, ok := at[b]
			if !ok {
				j = len(out)
				at[b] = j
				out = append(out, life{b, i, i})
			}
			out[j].last = i
		}
	}
	return out
}

func bar(first, last, columns int) string {
	return strings.Repeat(".", first) + strings.Repeat("#", last-first+1) + strings.Repeat(".", columns-last-1)
}
