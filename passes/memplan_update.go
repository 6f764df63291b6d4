package passes

import (
	"fmt"
	"slices"

	"dumbtorch/ir/kernel"
)

// resolveUpdates turns the program's updates into writes of the variables. The
// launch that computes the new value writes it straight into the variable
// where no element of the old value is read afterwards; otherwise the value
// stays in its own buffer and is copied after all launches.
func resolveUpdates(p *kernel.Program, inPlace bool) error {
	updated := map[int]bool{}
	for _, u := range p.Updates {
		v, x := p.Buffers[u.Variable], p.Buffers[u.Value]
		switch {
		case v.Kind != kernel.VariableBuffer:
			return fmt.Errorf("update of buffer b%d, which is no variable", u.Variable)
		case v.DType != x.DType || v.Len != x.Len:
			return fmt.Errorf("update of variable %q: %v[%d] = %v[%d]", v.Name, v.DType, v.Len, x.DType, x.Len)
		case updated[u.Variable]:
			return fmt.Errorf("variable %q is updated twice", v.Name)
		}
		updated[u.Variable] = true
	}
	var us []kernel.Update
	sources := map[int]int{}
	for _, u := range p.Updates {
		if u.Variable == u.Value || p.Buffers[u.Variable].Len == 0 {
			continue
		}
		if updated[u.Value] {
			// The old value of another variable: saved before that one changes.
			from := p.Buffers[u.Value]
			save := len(p.Buffers)
			p.Buffers = append(p.Buffers, kernel.Buffer{Kind: kernel.TempBuffer, DType: from.DType, Len: from.Len})
			p.Launches = append(p.Launches, copies(p, []kernel.Update{{Variable: save, Value: u.Value}}, "save"))
			u.Value = save
		}
		us = append(us, u)
		sources[u.Value]++
	}
	var rest []kernel.Update
	for _, u := range us {
		if !inPlace || sources[u.Value] > 1 || !writeThrough(p, u) {
			rest = append(rest, u)
		}
	}
	for group := range slices.Chunk(rest, maxMerged) {
		p.Launches = append(p.Launches, copies(p, group, "update"))
	}
	p.Updates = nil
	return nil
}

// writeThrough lets the launch that computes u's value write the variable
// itself, if that is legal.
func writeThrough(p *kernel.Program, u kernel.Update) bool {
	if p.Buffers[u.Value].Kind != kernel.TempBuffer {
		return false
	}
	writer, param := -1, -1
	for i := range p.Launches {
		for j, q := range p.Launches[i].Kernel.Params {
			if q.Out && p.Launches[i].Args[j] == u.Value {
				if writer >= 0 {
					return false
				}
				writer, param = i, j
			}
		}
	}
	if writer < 0 {
		return false
	}
	for i := writer; i < len(p.Launches); i++ {
		l := &p.Launches[i]
		if slices.Contains(l.Args, u.Variable) && (i > writer || !l.InPlace(param, u.Variable)) {
			return false
		}
	}
	for i := range p.Launches {
		for j, a := range p.Launches[i].Args {
			if a == u.Value {
				p.Launches[i].Args[j] = u.Variable
			}
		}
	}
	return true
}

// copies returns one launch that makes all the given copies. No buffer is both
// read and written.
func copies(p *kernel.Program, us []kernel.Update, name string) kernel.Launch {
	b := kernel.NewBuilder()
	k := &kernel.Kernel{Name: freshName(p, name)}
	l := kernel.Launch{Kernel: k, Label: "copy", Nodes: 0}
	for _, out := range []bool{false, true} {
		for _, u := range us {
			x := p.Buffers[u.Value]
			k.Params = append(k.Params, kernel.Param{DType: x.DType, Len: x.Len, Out: out})
			if out {
				l.Args = append(l.Args, u.Variable)
			} else {
				l.Args = append(l.Args, u.Value)
			}
		}
	}
	for i, u := range us {
		d := b.Domain(fmt.Sprintf("i%d", i), p.Buffers[u.Value].Len)
		ix := b.Index(d)
		k.Stores = append(k.Stores, kernel.Store{
			Axes: d.Axes, Param: len(us) + i, Index: ix, Value: b.Load(i, ix, p.Buffers[u.Value].DType),
		})
		if len(us) == 1 {
			k.Sched.Outer = d.Axes
		}
	}
	k.Axes = b.Axes()
	k.Sched.Form = kernel.Pointwise
	return l
}

// freshName returns a kernel name that the program does not use yet.
func freshName(p *kernel.Program, prefix string) string {
	used := map[string]bool{}
	for _, l := range p.Launches {
		used[l.Kernel.Name] = true
	}
	for i := 0; ; i++ {
		if n := fmt.Sprintf("%s%d", prefix, i); !used[n] {
			return n
		}
	}
}
