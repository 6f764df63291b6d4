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
	d       types.DType
	m, n, k int
	batch   []*kernel.Axis
	batches int
	gemm    gemm.Plan
	a, b    operand
	shared  int     // temp that holds packed operands of all batches; -1: none
	tile    *instr  // the epilogue, if one generated loop does it
	direct  *result // C goes straight to a buffer; else through the epilogue
}

// An operand is a matrix in a buffer for each point of the batch axes: element
// (i, k) at c + batch + row(i) + step(k).
type operand struct {
	buf          int
	c            int64
	batch        []int64 // coefficients of the batch axes
	stride, step int64
	rows, steps  []int64 // offsets, where no stride tells them
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
func (c *compiler) contract() bool {
	s := c.k.Sched.Contract
	d := s.Fold.DType
	switch d {
	case types.F32, types.F64, types.I32, types.I64:
	default:
		return false
	}
	x := &contraction{d: d, m: points(s.M), n: points(s.N), k: points(s.K), batch: s.Batch, batches: points(s.Batch), shared: -1}
	if x.m == 0 || x.n == 0 || x.k == 0 || x.batches == 0 || c.facts.sensitive[s.Fold] && c.facts.guarded[s.Fold] {
		return false
	}
	x.a = c.operand(s.A, s.Batch, s.M, s.K)
	x.b = c.operand(s.B, s.Batch, s.N, s.K)
	if err := x.choose(); err != nil {
		return false
	}
	if n := x.gemm.SharedLen(); n > 0 {
		x.shared = c.temp(d, n*x.batches)
		c.plan.phases = append(c.plan.phases, &phase{
			name: "pack", contract: x, packs: true, positions: x.gemm.PackTasks() * x.batches, grain: 1, work: n * x.batches, env: 1 + len(s.Batch) + len(s.M),
		})
	}
	b := c.builder(0)
	b.point = kernel.SetOf(s.Batch) | kernel.SetOf(s.M) | kernel.SetOf(s.N)
	if x.direct = c.direct(); x.direct == nil {
		c.epilogue(b, x)
	}
	p := c.finish(b, "contract", x.gemm.Tasks()*x.batches, 1)
	p.contract = x
	p.squareTiles(b, s)
	p.work = x.batches * x.m * x.n * (x.k/16 + countOps(p.code))
	return true
}

// choose plans the product: one product is shared between workers; many small
// ones are a task each.
func (x *contraction) choose() (err error) {
	const many = 16
	serial := x.batches >= many
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

func planOf[T gemm.Element](serial bool, x *contraction) (gemm.Plan, error) {
	if serial {
		return gemm.NewSerialPlan[T](x.m, x.n, x.k)
	}
	return gemm.NewPlan[T](x.m, x.n, x.k)
}

// operand returns where the factor e is in memory; what is not plainly there is
// computed into a scratch buffer by a phase of its own.
func (c *compiler) operand(e *kernel.Expr, batch, rows, steps []*kernel.Axis) operand {
	if e.Kind == kernel.Load && !c.facts.sensitive[e] {
		if o, ok := affineOperand(e, batch, rows, steps); ok {
			return o
		}
	}
	axes := slices.Concat(batch, rows, steps)
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
	for _, t := range rowMajor(axes)[:len(batch)] {
		o.batch = append(o.batch, t.coef)
	}
	return o
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
func (c *compiler) direct() *result {
	s := c.k.Sched.Contract
	if len(c.k.Stores) != 1 || c.k.Stores[0].Value != s.Fold {
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
	stride, ok1 := collapse(s.M, coef)
	unit, ok2 := collapse(s.N, coef)
	n := int64(points(s.N))
	if !plain || !ok1 || !ok2 || unit != 1 && n > 1 || stride < n && points(s.M) > 1 {
		return nil
	}
	r.stride = max(stride, n)
	for _, a := range s.Batch {
		r.batch = append(r.batch, coef[a])
	}
	return r
}
