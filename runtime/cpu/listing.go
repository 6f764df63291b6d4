package cpu

import (
	"fmt"
	"strings"

	"dumbtorch/ir/kernel"
)

// listing prints the tile programs of all kernels.
func (e *executable) listing() string {
	var b strings.Builder
	seen := map[*kernel.Kernel]bool{}
	for i := range e.prog.Launches {
		k := e.prog.Launches[i].Kernel
		if seen[k] {
			continue
		}
		seen[k] = true
		fmt.Fprintf(&b, "kernel %s\n", k.Name)
		for _, p := range e.plans[i].phases {
			fmt.Fprintf(&b, "  phase %s: %d tasks, %d bytes of registers\n", p.name, p.positionsToTasks(), p.scratch)
			if x := p.contract; x != nil {
				fmt.Fprintf(&b, "    product %s: batch %d, m %d, n %d, k %d\n", x.d, x.batches, x.m, x.n, x.k)
			}
			list(&b, p.code, "    ")
		}
	}
	return b.String()
}

func list(b *strings.Builder, code []instr, indent string) {
	name := func(r reg) string {
		if r == none {
			return ""
		}
		return fmt.Sprintf(" r%d", r)
	}
	for i := range code {
		in := &code[i]
		b.WriteString(indent)
		if in.dst != none {
			fmt.Fprintf(b, "r%d = ", in.dst)
		}
		fmt.Fprintf(b, "%s.%s%s%s%s", in.name, classNames[in.cl], name(in.a), name(in.b), name(in.c))
		if in.aff != nil {
			fmt.Fprintf(b, " b%d[%s]", in.buf, in.aff)
		}
		if in.loop != nil && in.body != nil {
			fmt.Fprintf(b, " %d", in.loop.total)
			if in.loop.step > 0 {
				fmt.Fprintf(b, " by %d", in.loop.step)
			}
		}
		b.WriteByte('\n')
		list(b, in.body, indent+"  ")
		if in.lane != nil {
			fmt.Fprintf(b, "%s  %d bytes of machine code for\n", indent, in.lane.loop.Size())
			list(b, in.lane.replace, indent+"    ")
		}
	}
}

// String returns the index with lane dimensions as extent*coefficient.
func (a *affine) String() string {
	var parts []string
	for _, t := range a.axes {
		parts = append(parts, fmt.Sprintf("%d*e%d", t.coef, t.at))
	}
	for _, t := range a.regs {
		parts = append(parts, fmt.Sprintf("%d*r%d", t.coef, t.at))
	}
	for _, d := range a.dims {
		parts = append(parts, fmt.Sprintf("%d*lane(%d)", d.coef, d.extent))
	}
	if a.c != 0 || len(parts) == 0 {
		parts = append(parts, fmt.Sprint(a.c))
	}
	return strings.Join(parts, " + ")
}
