package interp

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"

	"dumbtorch/ir/kernel"
)

// sharesMemory reports whether the launch writes memory that it reads through
// another parameter.
func (e *executable) sharesMemory(l *kernel.Launch) bool {
	for i, p := range l.Kernel.Params {
		for j, q := range l.Kernel.Params {
			if p.Out && !q.Out && overlap(e.prog, l.Args[i], l.Args[j]) {
				return true
			}
		}
	}
	return false
}

func overlap(p *kernel.Program, i, j int) bool {
	a, b := &p.Buffers[i], &p.Buffers[j]
	if i == j || a.Kind != kernel.TempBuffer || b.Kind != kernel.TempBuffer {
		return i == j
	}
	return a.Offset < b.Offset+b.Bytes() && b.Offset < a.Offset+a.Bytes()
}

// runInPlace runs the kernel as devices do, on memory that is read and written:
// in an order of its own, storing as it goes. It is an error if that gives
// other values than want, the kernel's meaning; see [kernel.Program] for what a
// memory plan may share.
func (m *machine) runInPlace(want []element) (err error) {
	defer recovered(&err)
	order := rand.New(rand.NewPCG(1, uint64(len(want))))
	sched := m.code.Sched
	rest := m.code.stores
	if sched.Form == kernel.Rows {
		full := len(sched.Outer) + len(sched.Inner)
		row := m.code.stores[:0:0]
		rest = nil
		for i, s := range m.code.stores {
			if len(m.code.Stores[i].Axes) == full {
				row = append(row, s)
			} else {
				rest = append(rest, s)
			}
		}
		m.inUnits(row, m.code.outer, order)
	}
	for len(rest) > 0 {
		axes := rest[0].axes
		var together, others []store
		for _, s := range rest {
			if slices.Equal(s.axes, axes) && (len(together) == 0 || sched.Form != kernel.General) {
				together = append(together, s)
			} else {
				others = append(others, s)
			}
		}
		m.inUnits(together, axes, order)
		rest = others
	}
	for _, w := range want {
		d := w.value.DType
		from := w.index * int64(d.Size())
		got := m.mem[w.param][from : from+int64(d.Size())]
		should := make([]byte, d.Size())
		put(should, 0, w.value)
		if !bytes.Equal(got, should) {
			return fmt.Errorf("parameter p%d shares memory with one that is read: element %d is %s in place, want %s", w.param, w.index, load(got, d, 0), w.value)
		}
	}
	return nil
}

// inUnits runs stores over the same axes. A unit is all points at one point of
// the outer ones: units come in random order, and one is stored when all of its
// values are computed.
func (m *machine) inUnits(stores []store, outer []int, order *rand.Rand) {
	if len(stores) == 0 {
		return
	}
	within := slices.DeleteFunc(slices.Clone(stores[0].axes), func(a int) bool { return slices.Contains(outer, a) })
	units := 1
	for _, a := range outer {
		units *= m.code.extents[a]
	}
	for _, u := range order.Perm(units) {
		for _, a := range outer {
			m.move(a, int64(u%m.code.extents[a]))
			u /= m.code.extents[a]
		}
		clear(m.slots) // what was loaded may have been overwritten
		clear(m.tables)
		var out []element
		m.loop(within, func() {
			for _, s := range stores {
				out = append(out, element{s.param, m.index(s.index), m.data(s.value)})
			}
		})
		for _, e := range out {
			put(m.mem[e.param], e.index, e.value)
		}
	}
}
