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
			p.list(&b, "  ")
		}
	}
	return b.String()
}

func (p *phase) list(b *strings.Builder, indent string) {
	fmt.Fprintf(b, "%sphase %s: %s\n", indent, p.name, p.describe())
	if x := p.contract; x != nil {
		fmt.Fprintf(b, "%s  product %s: batch %d, m %d, n %d, k %d\n", indent, x.d, x.batches, x.m, x.n, x.k)
	}
	list(b, p.code, indent+"  ")
	for _, s := range p.stages {
		fmt.Fprintf(b, "%s  stage %s\n", indent, s.name)
		for _, inner := range s.phases {
			inner.list(b, indent+"    ")
		}
	}
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
