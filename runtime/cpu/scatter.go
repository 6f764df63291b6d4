package cpu

import (
	"slices"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// A scatter-add, the gradient of a table that is looked up, is a fold whose
// values count where an index that they hold is the table's own:
//
//	out[r,v,w] = sum over n of (at[r,n] == v ? x[r,n,w] : 0)
//
// Pulled, it looks at each value for each v. Pushed, each value is added where
// it belongs: one phase computes the indices, one the values if they are not
// plainly in memory, and one adds them, each task to places of its own, in the
// order of the fold. So the result is that of the fold, bit for bit: the zeros
// that are left out change no sum that began with +0.

// A push adds values at places.
type push struct {
	places      int // buffer of [r,n] indices
	values, out int // buffers
	at          int64
	stride      int64 // from value to value
	r, n, v, w  int
	overR       bool // tasks share out r, else v
}

// push gives a scatter-add phases of its own and notes where its result is; it
// reports false for any other fold.
func (c *compiler) push(e *kernel.Expr, kept []*kernel.Axis, store int) bool {
	if c.facts.guarded[e] || e.Op != kernel.Add {
		return false
	}
	add := pushLoop(e.DType)
	body := e.Args[0]
	if add == nil || body.Kind != kernel.If || body.Args[0].Kind != kernel.Eq0 || !body.Args[2].IsConst(0) || c.facts.sensitive[body.Args[1]] {
		return false
	}
	match, x := body.Args[0].Args[0], body.Args[1]
	axis, sign := c.solveFor(match, x, kept)
	if axis == nil {
		return false
	}
	var batch, lanes []*kernel.Axis
	for _, a := range kept {
		switch {
		case a == axis:
		case match.Free().Has(a):
			batch = append(batch, a)
		default:
			lanes = append(lanes, a)
		}
	}
	points0 := slices.Concat(batch, e.Axes)
	p := &push{r: points(batch), n: points(e.Axes), v: axis.Extent, w: points(lanes)}
	p.places = c.temp(types.I64, p.r*p.n)
	c.computed("places", store, points0, func(b *builder) value {
		ix := b.index(match, noValue)
		b.setAside(&ix, axis, sign)
		b.put(p.places, index{terms: rowMajor(points0), cl: full}, noValue, b.expand(b.vector(ix, ix.cl), full), full, types.I64)
		return noValue
	})
	if !p.plain(x, points0, lanes) {
		all := slices.Concat(points0, lanes)
		p.values, p.at, p.stride = c.temp(e.DType, points(all)), 0, int64(p.w)
		c.computed("values", store, all, func(b *builder) value {
			b.put(p.values, index{terms: rowMajor(all), cl: full}, noValue, b.data(x, noValue), full, e.DType)
			return noValue
		})
	}
	order := slices.Concat(batch, []*kernel.Axis{axis}, lanes)
	p.out = c.temp(e.DType, points(order))
	p.overR = p.r >= p.v
	b := c.builder(0)
	b.emit(instr{fn: add, name: "push", dst: none, a: none, b: none, c: none, push: p})
	positions := p.v
	if p.overR {
		positions = p.r
	}
	// Each task looks at all indices, so that few are enough.
	const tasks = 16
	ph := c.finish(b, "push", positions, (positions+tasks-1)/tasks)
	ph.work = p.r*p.v*p.w + p.r*p.n*p.w
	c.subst[e] = source{buf: p.out, terms: rowMajor(order)}
	return true
}

// solveFor returns the kept axis that a match is solved for, and its sign: the
// match is sign*axis plus what depends on other axes, and x has not the axis.
func (c *compiler) solveFor(match, x *kernel.Expr, kept []*kernel.Axis) (*kernel.Axis, int64) {
	var axis *kernel.Axis
	var sign int64
	rest := kernel.AxisSet(0)
	checked := false
	match.Terms(func(k int64, arg *kernel.Expr) {
		if arg.Kind == kernel.Var && (k == 1 || k == -1) && axis == nil && slices.Contains(kept, arg.Axes[0]) && !x.Free().Has(arg.Axes[0]) {
			axis, sign = arg.Axes[0], k
			return
		}
		checked = checked || arg.HasLoad()
		rest |= arg.Free()
	})
	if axis == nil || rest.Has(axis) || !checked {
		return nil, 0
	}
	return axis, sign
}

// setAside takes the axis, whose coefficient is sign, out of ix == 0: ix is then
// what the axis equals.
func (b *builder) setAside(ix *index, axis *kernel.Axis, sign int64) {
	ix.terms = slices.DeleteFunc(ix.terms, func(t axisTerm) bool { return t.axis == axis })
	if sign < 0 {
		return
	}
	ix.c = -ix.c
	for i := range ix.terms {
		ix.terms[i].coef = -ix.terms[i].coef
	}
	for _, list := range [][]term{ix.regs, ix.slots} {
		for i := range list {
			list[i].coef = -list[i].coef
		}
	}
	for i := range ix.vec {
		ix.vec[i].coef = -ix.vec[i].coef
	}
}

// computed compiles a phase over the lanes of axes, for a store.
func (c *compiler) computed(name string, store int, axes []*kernel.Axis, f func(b *builder) value) {
	total := points(axes)
	step := min(total, tileLanes)
	b := c.builder(store)
	b.point = kernel.SetOf(axes)
	n := b.open()
	b.bindLanes(n, &space{axes: axes}, step)
	b.in(n, func() value { return f(b) })
	b.emit(instr{fn: runTiles, name: "tiles", kind: laneTiles, dst: none, a: none, b: none, c: none, body: n.code, loop: &loop{total: total, step: step}})
	c.finish(b, name, total, grainLanes)
}

// plain reports whether the values are in memory, those of a place contiguous,
// and where.
func (p *push) plain(x *kernel.Expr, at, lanes []*kernel.Axis) bool {
	if x.Kind != kernel.Load {
		return false
	}
	coef, c, ok := linearOf(x.Args[0])
	stride, ok1 := collapse(at, coef)
	unit, ok2 := collapse(lanes, coef)
	if !ok || !ok1 || !ok2 || stride < 0 || unit != 1 && p.w > 1 {
		return false
	}
	p.values, p.at, p.stride = x.Param, c, stride
	return true
}

// pushLoop returns the loop that adds values of type d.
func pushLoop(d types.DType) func(*state, *instr) {
	switch d {
	case types.F32:
		return runPush[float32]
	case types.F64:
		return runPush[float64]
	case types.I32:
		return runPush[int32]
	case types.I64:
		return runPush[int64]
	}
	return nil
}

// runPush adds the values that belong to the task's places.
func runPush[T number](st *state, in *instr) {
	p := in.push
	r0, r1, v0, v1 := 0, p.r, st.lo, st.hi
	if p.overR {
		r0, r1, v0, v1 = st.lo, st.hi, 0, p.v
	}
	places, values, out := buffer[int64](st, p.places), buffer[T](st, p.values), buffer[T](st, p.out)
	for r := r0; r < r1; r++ {
		clear(out[(r*p.v+v0)*p.w : (r*p.v+v1)*p.w])
		for i, v := range places[r*p.n : (r+1)*p.n] {
			if v < int64(v0) || v >= int64(v1) {
				continue
			}
			d := out[(r*p.v+int(v))*p.w:][:p.w]
			x := values[int(p.at)+(r*p.n+i)*int(p.stride):][:p.w]
			for j := range d {
				d[j] += x[j]
			}
		}
	}
}
