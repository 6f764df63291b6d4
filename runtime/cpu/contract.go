package cpu

import (
	"slices"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/cpu/gemm"
)

// A contraction is the product of a phase: C = A*B for each point of the batch
// axes, with the stores as epilogue.
type contraction struct {
	d          types.DType
	fold       *kernel.Expr
	stencil    bool // A has no rows of its own
	batchAxes  []*kernel.Axis
	rows, cols []*kernel.Axis // of the result, as the stores see it
	steps      []*kernel.Axis
	m, n, k    int
	batches    int
	summed     int  // of the batch axes, points that add to one product; 0: none do
	inner      int  // points of the batch axes after those
	turned     bool // the product computes the columns of the result as rows
	gemm       gemm.Plan
	a, b       operand
	shared     int     // temp that holds packed operands of all batches; -1: none
	tile       *instr  // the epilogue, if one generated loop does it
	direct     *result // C goes straight to a buffer; else through the epilogue
}

// An operand is a matrix in a buffer for each point of the batch axes: element
// (i, k) at c + batch + row(i) + step(k).
type operand struct {
	buf            int
	c              int64
	batch          []int64 // coefficients of the batch axes
	stride, step   int64
	page, pageStep int64   // steps of a page, and from page to page; 0: no pages
	rows, steps    []int64 // offsets, where no stride tells them
	window         *gemm.Window
}

// A result is a store that takes C as it is.
type result struct {
	buf    int
	c      int64
	batch  []int64
	stride int64
}

// contract compiles a contraction; it reports false for what the matrix product
// cannot take.
func (c *compiler) contract(s *kernel.Contraction) bool {
	d := s.Fold.DType
	switch d {
	case types.F32, types.F64, types.I32, types.I64:
	default:
		return false
	}
	if points(s.M) == 0 || points(s.N) == 0 || points(s.K) == 0 || points(s.Batch) == 0 || c.facts.sensitive[s.Fold] && c.facts.guarded[s.Fold] {
		return false
	}
	x := &contraction{d: d, fold: s.Fold, stencil: len(s.M) == 0, batchAxes: s.Batch, rows: s.M, cols: s.N, steps: s.K, shared: -1}
	if !c.sumOverBlocks(x) {
		return false
	}
	c.moveToBatch(x, s)
	x.m, x.n, x.k, x.batches = points(x.rows), points(x.cols), points(x.steps), points(x.batchAxes)
	x.a = c.operand(x, s.A, x.rows, x.n)
	x.b = c.operand(x, s.B, x.cols, x.m)
	x.turn()
	if err := x.choose(len(c.k.Sched.Block) > 0); err != nil {
		return false
	}
	if n := x.gemm.SharedLen(); n > 0 {
		x.shared = c.temp(d, n*x.batches)
		c.plan.phases = append(c.plan.phases, &phase{
			name: "pack", contract: x, packs: true, positions: x.gemm.PackTasks() * x.batches, grain: 1, work: n * x.batches, env: taskSlot + 1,
		})
	}
	b := c.builder(0)
	b.point = kernel.SetOf(s.Batch) | kernel.SetOf(s.M) | kernel.SetOf(s.N)
	x.inner = points(x.batchAxes[len(c.k.Sched.Block):])
	if x.direct = c.direct(x); x.direct == nil {
		if x.summed > 0 {
			return false
		}
		c.epilogue(b, x)
	}
	p := c.finish(b, "contract", x.gemm.Tasks()*x.batches, 1)
	p.contract = x
	p.squareTiles(b, x)
	p.work = x.batches * x.m * x.n * (x.k/16 + countOps(p.code))
	return true
}

// sumOverBlocks makes batch axes of the last block axes if the stores do not run
// over them: each block adds its product to what the ones before have stored.
func (c *compiler) sumOverBlocks(x *contraction) bool {
	block := c.k.Sched.Block
	n := len(block)
	for n > 0 && !slices.Contains(c.k.Stores[0].Axes, block[n-1]) {
		n--
	}
	if n == len(block) {
		return true
	}
	x.summed = points(block[n:])
	x.batchAxes = slices.Concat(block, x.batchAxes[n:])
	return len(x.steps) > 0 && points(x.rows) > 1 && points(x.cols) > 1
}

// moveToBatch makes the outermost axes of an operand that is read through
// windows, such as the images of a convolution, batch axes, with the other
// operand the same for each, where the result has other axes within or an image
// is large: a product for each image needs little memory at a time.
func (c *compiler) moveToBatch(x *contraction, s *kernel.Contraction) {
	const (
		work  = 1 << 14 // of a product that is worth a task
		least = 16      // rows or columns that are left
	)
	move := func(e *kernel.Expr, own *[]*kernel.Axis, others int) {
		for len(*own) > 1 {
			rest := points((*own)[1:])
			if rest < least || rest*others*points(x.steps) < work || !c.apart(e, *own, x.steps) {
				return
			}
			x.batchAxes, *own = append(x.batchAxes[:len(x.batchAxes):len(x.batchAxes)], (*own)[0]), (*own)[1:]
		}
	}
	move(s.B, &x.cols, points(s.M))
	move(s.A, &x.rows, points(s.N))
}

// apart reports whether e is read through windows that do not reach from one
// point of its outermost axis to another, and better point by point.
func (c *compiler) apart(e *kernel.Expr, rows, steps []*kernel.Axis) bool {
	gs, load := guards(e)
	if load.Kind != kernel.Load {
		return false
	}
	at, _, ok := linearOf(load.Args[0])
	if _, plain := collapse(rows, at); !ok || plain && len(gs) == 0 {
		return false
	}
	dims, ok := windowDims(gs, at, slices.Concat(rows, steps))
	if !ok || !slices.ContainsFunc(dims, func(d windowDim) bool { return len(d.f) == 1 && d.f[rows[0]] != 0 && !d.guarded }) {
		return false
	}
	for _, st := range c.k.Stores {
		to, _, ok := linearOf(st.Index)
		if _, flat := collapse(rows, to); !ok || !flat {
			return true
		}
	}
	w, _, ok := newWindow(gs, at, nil, rows, steps)
	return !ok || w.Memory() > nearWindow
}

// turn exchanges rows and columns where an operand that is read through windows
// is copied faster so: as A along its steps, as B along its rows.
func (x *contraction) turn() {
	a := x.a.window != nil && x.a.window.AlongRows()
	b := x.b.window != nil && !x.b.window.AlongRows()
	if a && x.b.window == nil || b && x.a.window == nil {
		x.turned = true
		x.m, x.n = x.n, x.m
		x.a, x.b = x.b, x.a
	}
}

// choose plans the product: one product is shared between workers; many small
// ones, and those of a block, are a task each.
func (x *contraction) choose(block bool) (err error) {
	const many = 16
	serial := x.batches >= many || block
	switch x.d {
	case types.F32:
		x.gemm, err = planOf[float32](serial, x)
	case types.F64:
		x.gemm, err = planOf[float64](serial, x)
	case types.I32:
		x.gemm, err = planOf[int32](serial, x)
	default:
		x.gemm, err = planOf[int64](serial, x)
	}
	return err
}

func planOf[T gemm.Element](serial bool, x *contraction) (p gemm.Plan, err error) {
	switch {
	case x.stencil:
		p, err = gemm.NewTiledPlan[T](x.m, x.n, x.k)
	case serial:
		p, err = gemm.NewSerialPlan[T](x.m, x.n, x.k)
	default:
		p, err = gemm.NewPlan[T](x.m, x.n, x.k)
	}
	for _, o := range []*operand{&x.a, &x.b} {
		if o.page > 0 {
			p = p.WithPages(int(o.page))
		} else if o.window != nil {
			p = p.WithPages(len(o.window.Steps))
		}
	}
	if x.turned {
		p = p.WithWholeTiles()
	}
	return p, err
}

// operand returns where the factor e is in memory, which has the given rows and
// is used with so many of the other factor; what is not plainly there is
// computed into a scratch buffer by a phase of its own.
func (c *compiler) operand(x *contraction, e *kernel.Expr, rows []*kernel.Axis, others int) operand {
	batch, steps := x.batchAxes, x.steps
	if e.DType == x.d {
		if e.Kind == kernel.Load && !c.facts.sensitive[e] {
			if o, ok := affineOperand(e, batch, rows, steps); ok && (o.rows == nil || pagesOf(&o, e, rows, steps)) {
				return o
			}
		}
		if o, ok := windowOperand(e, batch, rows, steps); ok && !c.compact(o.window, e, others*x.batches) {
			return o
		}
	}
	axes := slices.Concat(batch, rows, steps)
	axes = slices.DeleteFunc(axes, func(a *kernel.Axis) bool { return slices.Contains(batch, a) && !e.Free().Has(a) })
	total := points(axes)
	buf := c.temp(e.DType, total)
	b := c.builder(0)
	b.point = kernel.SetOf(axes)
	n := b.open()
	step := min(total, tileLanes)
	b.bindLanes(n, &space{axes: axes}, step)
	b.in(n, func() value {
		b.put(buf, index{terms: rowMajor(axes), cl: full}, noValue, b.data(e, noValue), full, e.DType)
		return noValue
	})
	b.emit(instr{fn: runTiles, name: "tiles", kind: laneTiles, dst: none, a: none, b: none, c: none, body: n.code, loop: &loop{total: total, step: step}})
	c.finish(b, "operand", total, grainLanes)
	o := operand{buf: buf, stride: int64(points(steps)), step: 1}
	for _, a := range batch {
		coef := int64(0)
		for _, t := range rowMajor(axes) {
			if t.axis == a {
				coef = t.coef
			}
		}
		o.batch = append(o.batch, coef)
	}
	return o
}

// compact reports whether an operand read through a window is better copied
// once: if each element is there once, and is used often.
func (c *compiler) compact(w *gemm.Window, e *kernel.Expr, uses int) bool {
	const often = 16
	if e.Kind != kernel.Load {
		return false
	}
	rows, steps := w.Along()
	elements := len(w.Rows) * len(w.Steps) * max(1, len(w.Pages))
	return max(rows, steps) < often && elements <= c.k.Params[e.Param].Len && uses >= often
}

// pagesOf finds strides of an operand whose steps have none together: those of
// pages and of the steps of a page.
func pagesOf(o *operand, e *kernel.Expr, rows, steps []*kernel.Axis) bool {
	at, _, _ := linearOf(e.Args[0])
	stride, ok := collapse(rows, at)
	if !ok || stride < 0 {
		return false
	}
	for i := 1; i < len(steps); i++ {
		step, ok1 := collapse(steps[i:], at)
		page, ok2 := collapse(steps[:i], at)
		if n := points(steps[i:]); ok1 && ok2 && step >= 0 && page >= 0 && n >= pageSteps && (step == 1 || stride == 1) {
			o.rows, o.steps = nil, nil
			o.stride, o.step, o.page, o.pageStep = stride, step, int64(n), page
			return true
		}
	}
	return false
}

// affineOperand reads the operand off a load.
func affineOperand(e *kernel.Expr, batch, rows, steps []*kernel.Axis) (operand, bool) {
	coef := map[*kernel.Axis]int64{}
	plain := true
	o := operand{buf: e.Param}
	o.c = e.Args[0].Terms(func(k int64, arg *kernel.Expr) {
		if plain = plain && arg.Kind == kernel.Var; plain {
			coef[arg.Axes[0]] = k
		}
	})
	if !plain {
		return o, false
	}
	for _, a := range batch {
		o.batch = append(o.batch, coef[a])
	}
	var ok1, ok2 bool
	o.stride, ok1 = collapse(rows, coef)
	o.step, ok2 = collapse(steps, coef)
	if !ok1 || !ok2 || o.stride < 0 || o.step < 0 {
		o.rows, o.steps = offsets(rows, coef), offsets(steps, coef)
	}
	return o, true
}

// collapse returns the stride of the flat index over axes, if there is one.
func collapse(axes []*kernel.Axis, coef map[*kernel.Axis]int64) (int64, bool) {
	stride, extent := int64(0), int64(1)
	for i := len(axes) - 1; i >= 0; i-- {
		a := axes[i]
		if a.Extent == 1 {
			continue
		}
		if extent == 1 {
			stride = coef[a]
		} else if coef[a] != stride*extent {
			return 0, false
		}
		extent *= int64(a.Extent)
	}
	return stride, true
}

// offsets returns the offset of every flat index over axes.
func offsets(axes []*kernel.Axis, coef map[*kernel.Axis]int64) []int64 {
	out := []int64{0}
	for _, a := range axes {
		var next []int64
		for _, o := range out {
			for i := range a.Extent {
				next = append(next, o+int64(i)*coef[a])
			}
		}
		out = next
	}
	return out
}

// direct returns where C goes if it is stored as it is, with contiguous rows.
func (c *compiler) direct(x *contraction) *result {
	if len(c.k.Stores) != 1 || c.k.Stores[0].Value != x.fold || x.turned {
		return nil
	}
	st := &c.k.Stores[0]
	coef := map[*kernel.Axis]int64{}
	plain := true
	r := &result{buf: st.Param}
	r.c = st.Index.Terms(func(k int64, arg *kernel.Expr) {
		if plain = plain && arg.Kind == kernel.Var; plain {
			coef[arg.Axes[0]] = k
		}
	})
	stride, ok1 := collapse(x.rows, coef)
	unit, ok2 := collapse(x.cols, coef)
	n := int64(points(x.cols))
	if !plain || !ok1 || !ok2 || unit != 1 && n > 1 || stride < n && points(x.rows) > 1 {
		return nil
	}
	r.stride = max(stride, n)
	for _, a := range x.batchAxes {
		r.batch = append(r.batch, coef[a])
	}
	return r
}
