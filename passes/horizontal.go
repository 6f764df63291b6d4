package passes

import (
	"fmt"
	"strings"

	"dumbtorch/ir/kernel"
)

// horizontal merges independent small launches of one structure into one launch,
// of pointwise kernels or of sums of everything: the optimizer's update of many
// parameters differs only in buffers and extents, and so do the parts of the
// gradients' norm. A launch costs more than a small tensor's update.
func horizontal(c *Config, p *kernel.Program) error {
	deps := dependences(p)
	groups := map[string][]int{}
	var order []string
	for i := range p.Launches {
		l := &p.Launches[i]
		k := l.Kernel
		if k.Sched.Form != kernel.Pointwise && !foldsAll(k) || len(k.Sites) > 0 || launchSize(k) > maxHorizontal {
			continue
		}
		key := familyKey(k)
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], i)
	}
	gone := map[int]bool{}
	merged := map[int]kernel.Launch{}
	for _, key := range order {
		for _, run := range independent(groups[key], deps) {
			if len(run) < 2 {
				continue
			}
			m, ok := mergeLaunches(p, run, len(merged))
			if !ok {
				continue
			}
			// The merged launch stands where the last of them stood: all operands
			// are there. Readers in between rule a member out (independent).
			merged[run[len(run)-1]] = m
			for _, i := range run[:len(run)-1] {
				gone[i] = true
			}
		}
	}
	var out []kernel.Launch
	for i, l := range p.Launches {
		switch m, ok := merged[i]; {
		case ok:
			out = append(out, m)
		case !gone[i]:
			out = append(out, l)
		}
	}
	p.Launches = out
	return nil
}

// maxHorizontal bounds the elements of a launch worth merging; beyond it the
// launch itself no longer matters.
const maxHorizontal = 1 << 16

// maxMerged bounds the launches of a merged one: their buffers are arguments, of
// which a device takes some kilobytes.
const maxMerged = 48

func launchSize(k *kernel.Kernel) int {
	n := 0
	for _, p := range k.Params {
		n = max(n, p.Len)
	}
	return n
}

// foldsAll reports whether a kernel folds all that it reads into single values,
// as the squares of a gradient into its norm.
func foldsAll(k *kernel.Kernel) bool {
	if k.Sched.Form != kernel.Rows || len(k.Sched.Outer) > 0 {
		return false
	}
	for i := range k.Stores {
		if len(k.Stores[i].Axes) > 0 {
			return false
		}
	}
	return true
}

// familyKey is a kernel's structure without extents.
func familyKey(k *kernel.Kernel) string {
	var b strings.Builder
	num := map[*kernel.Expr]int{}
	kernel.Walk(k.Roots(), func(e *kernel.Expr) {
		num[e] = len(num)
		fmt.Fprintf(&b, "%d.%d.%d.%d.%d.%v.", e.Kind, e.Op, e.DType, e.Param, len(e.Axes), e.Coef)
		switch e.Kind {
		case kernel.Const:
			b.WriteString(e.Value().String())
		case kernel.Int, kernel.FloorDiv, kernel.FloorMod, kernel.Affine:
			fmt.Fprint(&b, e.Int)
		}
		for _, a := range e.Args {
			fmt.Fprintf(&b, ",%d", num[a])
		}
		b.WriteByte(';')
	})
	fmt.Fprintf(&b, "%d params %d stores", len(k.Params), len(k.Stores))
	return b.String()
}

// dependences returns, per launch, the earlier launches that must precede it,
// directly or not.
func dependences(p *kernel.Program) []bitset {
	words := len(p.Launches)/64 + 1
	deps := make([]bitset, len(p.Launches))
	writer := map[int]int{}
	for i, l := range p.Launches {
		deps[i] = make(bitset, words)
		for j := range l.Kernel.Params {
			if w, ok := writer[l.Args[j]]; ok {
				deps[i].set(w)
				deps[i].or(deps[w])
			}
		}
		for j, q := range l.Kernel.Params {
			if q.Out {
				writer[l.Args[j]] = i
			}
		}
	}
	return deps
}

// independent splits launches of one family into groups that may run as one at
// the place of the group's last member: no member depends on another, and no
// launch before that place depends on a member.
func independent(ls []int, deps []bitset) [][]int {
	var out [][]int
	for _, l := range ls {
		placed := false
		for gi, g := range out {
			if len(g) >= maxMerged {
				continue
			}
			ok := true
			for _, m := range g {
				for between := m + 1; between <= l && ok; between++ {
					ok = !deps[between].has(m)
				}
			}
			if ok {
				out[gi] = append(g, l)
				placed = true
				break
			}
		}
		if !placed {
			out = append(out, []int{l})
		}
	}
	return out
}

// mergeLaunches builds one launch for several.
func mergeLaunches(p *kernel.Program, run []int, number int) (kernel.Launch, bool) {
	b := kernel.NewBuilder()
	k := &kernel.Kernel{Name: fmt.Sprintf("horizontal%d", number)}
	out := kernel.Launch{Kernel: k}
	var outArgs []int
	axes := 0
	for _, i := range run {
		axes += len(p.Launches[i].Kernel.Axes)
	}
	if axes > kernel.MaxAxes {
		return out, false
	}
	number = 0 // of written parameters so far
	reads := 0
	for _, i := range run {
		for _, q := range p.Launches[i].Kernel.Params {
			if !q.Out {
				reads++
			}
		}
	}
	for g, i := range run {
		l := p.Launches[i]
		base, written := len(k.Params), 0
		for j, q := range l.Kernel.Params {
			if !q.Out {
				k.Params = append(k.Params, q)
				out.Args = append(out.Args, l.Args[j])
			} else {
				outArgs = append(outArgs, l.Args[j])
			}
		}
		m := &kernel.Mapping{Axes: map[*kernel.Axis]*kernel.Axis{}, Param: func(q int) int { return base + q }}
		for _, a := range l.Kernel.Axes {
			m.Axes[a] = b.NewAxis(fmt.Sprintf("%s_g%d", a.Name, g), a.Extent)
		}
		for _, s := range l.Kernel.Stores {
			t := kernel.Store{Param: reads + number + written, Index: b.Import(s.Index, m), Value: b.Import(s.Value, m)}
			for _, a := range s.Axes {
				t.Axes = append(t.Axes, m.Axes[a])
			}
			k.Stores = append(k.Stores, t)
			written++
		}
		number += written
		out.Nodes += l.Nodes
		out.Clusters = append(out.Clusters, l.Clusters...)
	}
	for _, i := range run {
		for _, q := range p.Launches[i].Kernel.Params {
			if q.Out {
				k.Params = append(k.Params, q)
			}
		}
	}
	out.Args = append(out.Args, outArgs...)
	k.Axes = b.Axes()
	if k.Sched.Form = kernel.Pointwise; foldsAll(p.Launches[run[0]].Kernel) {
		k.Sched.Form = kernel.General
	}
	out.Label = fmt.Sprintf("%d x %s", len(run), p.Launches[run[0]].Label)
	return out, true
}
