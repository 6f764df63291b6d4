package passes

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// A progMaker builds programs of f32 buffers, by hand or at random.
type progMaker struct{ p *kernel.Program }

func newProg() *progMaker { return &progMaker{&kernel.Program{Name: "t"}} }

func (m *progMaker) buffer(kind kernel.BufferKind, name string, n int) int {
	m.p.Buffers = append(m.p.Buffers, kernel.Buffer{Kind: kind, Name: name, DType: types.F32, Len: n})
	return len(m.p.Buffers) - 1
}

// How a kernel of a progMaker reads an operand.
const (
	own      = iota // at the own index
	reverse         // at n-1-i
	total           // the sum over all
	ownTimes        // at the own index, times every element of buffer 0, summed
)

type operand struct{ buffer, how int }

// launch appends one that computes, for every output, the sum of the operands
// plus the output's position.
func (m *progMaker) launch(form kernel.Form, outs []int, ins ...[]operand) {
	b := kernel.NewBuilder()
	k := &kernel.Kernel{Name: freshName(m.p, "k")}
	l := kernel.Launch{Kernel: k, Label: "test", Nodes: 1}
	param := func(buf int, out bool) int {
		if i := slices.Index(l.Args, buf); i >= 0 && !out {
			return i
		}
		l.Args = append(l.Args, buf)
		k.Params = append(k.Params, kernel.Param{DType: types.F32, Len: m.p.Buffers[buf].Len, Out: out})
		return len(l.Args) - 1
	}
	n := m.p.Buffers[outs[0]].Len
	d := b.Domain("i", n)
	ix := b.Index(d)
	folds := false
	for o := range outs {
		v := b.Const(types.F32, float64(o+1))
		for _, in := range ins[o] {
			q := param(in.buffer, false)
			var e *kernel.Expr
			switch in.how {
			case own:
				e = b.Load(q, ix, types.F32)
			case reverse:
				e = b.Load(q, b.ISub(b.Int(int64(n-1)), ix), types.F32)
			case ownTimes:
				first := param(0, false)
				folds = folds || n > 1
				e = b.Fold(kernel.Add, types.F32, []int{n}, kernel.SetOf(d.Axes), func(j []*kernel.Expr) *kernel.Expr {
					return b.Bin(kernel.Mul, b.Load(q, ix, types.F32), b.Load(first, j[0], types.F32))
				})
			case total:
				folds = folds || n > 1
				e = b.Fold(kernel.Add, types.F32, []int{n}, kernel.SetOf(d.Axes), func(j []*kernel.Expr) *kernel.Expr {
					return b.Load(q, j[0], types.F32)
				})
			}
			v = b.Bin(kernel.Add, b.Bin(kernel.Mul, b.Const(types.F32, 0.5), v), e)
		}
		k.Stores = append(k.Stores, kernel.Store{Axes: d.Axes, Index: ix, Value: v})
	}
	for o, out := range outs {
		k.Stores[o].Param = param(out, true)
	}
	k.Axes = b.Axes()
	k.Sched.Form = form
	if folds && form == kernel.Pointwise {
		k.Sched.Form = kernel.General
	}
	m.p.Launches = append(m.p.Launches, l)
}

// reference runs p with every value in memory of its own.
func reference(t require.TestingT, p *kernel.Program) [][]float32 {
	q := snapshot(p)
	require.NoError(t, memplan(&Config{Check: true, Off: map[string]bool{offReuse: true}}, q))
	m := newMachine(q, 1)
	m.run()
	return m.results()
}

func planned(t require.TestingT, p *kernel.Program, order bool) (*kernel.Program, MemoryReport) {
	q := snapshot(p)
	c := &Config{Check: true}
	if order {
		require.NoError(t, orderLaunches(c, q))
	}
	require.NoError(t, memplan(c, q))
	require.Empty(t, q.Updates)
	return q, Memory(q)
}

func requireSame(t require.TestingT, p *kernel.Program) {
	want := reference(t, p)
	for _, order := range []bool{false, true} {
		q, r := planned(t, p, order)
		require.GreaterOrEqual(t, r.Peak, r.LowerBound)
		require.LessOrEqual(t, r.Peak, r.Sum)
		for seed := range uint64(3) {
			m := newMachine(q, seed)
			m.run()
			require.Equal(t, want, m.results(), "order %v\n%s\n%s", order, p, q)
		}
	}
}

func TestMemplanUpdateInPlace(t *testing.T) {
	m := newProg()
	x := m.buffer(kernel.InputBuffer, "x", 40)
	w := m.buffer(kernel.VariableBuffer, "w", 40)
	v := m.buffer(kernel.VariableBuffer, "v", 40)
	y := m.buffer(kernel.OutputBuffer, "y", 40)
	tv, tw := m.buffer(kernel.TempBuffer, "", 40), m.buffer(kernel.TempBuffer, "", 40)
	m.launch(kernel.Pointwise, []int{y}, []operand{{w, reverse}, {x, own}})
	m.launch(kernel.Pointwise, []int{tv, tw}, []operand{{v, own}, {y, own}}, []operand{{v, own}, {w, own}, {y, own}})
	m.p.Updates = []kernel.Update{{Variable: v, Value: tv}, {Variable: w, Value: tw}}
	requireSame(t, m.p)
	q, r := planned(t, m.p, false)
	require.Equal(t, MemoryReport{InPlaceVariables: 2, PeakLaunch: -1}, r)
	require.Len(t, q.Launches, 2)
	require.Equal(t, []int{v, w}, q.Launches[1].Args[3:])
}

// Every case where the update must not be done in place.
func TestMemplanUpdateCopied(t *testing.T) {
	cases := map[string]func(m *progMaker, x, w, y, t int){
		"read later": func(m *progMaker, x, w, y, t int) {
			m.launch(kernel.Pointwise, []int{t}, []operand{{w, own}, {x, own}})
			m.launch(kernel.Pointwise, []int{y}, []operand{{w, own}, {t, own}})
		},
		"read at another index": func(m *progMaker, x, w, y, t int) {
			m.launch(kernel.Pointwise, []int{t}, []operand{{w, own}, {w, reverse}})
		},
		"read at another index by another store": func(m *progMaker, x, w, y, t int) {
			m.launch(kernel.Pointwise, []int{t, y}, []operand{{w, own}}, []operand{{w, reverse}})
		},
		"read by a fold": func(m *progMaker, x, w, y, t int) {
			m.launch(kernel.Contract, []int{t}, []operand{{w, own}, {w, total}})
		},
		"read at its own index by a fold": func(m *progMaker, x, w, y, t int) {
			m.launch(kernel.Contract, []int{t}, []operand{{w, ownTimes}})
		},
		"general form": func(m *progMaker, x, w, y, t int) {
			m.launch(kernel.General, []int{t, y}, []operand{{w, own}}, []operand{{w, own}})
		},
	}
	for name, build := range cases {
		t.Run(name, func(t *testing.T) {
			m := newProg()
			x, w := m.buffer(kernel.InputBuffer, "x", 33), m.buffer(kernel.VariableBuffer, "w", 33)
			y, tmp := m.buffer(kernel.OutputBuffer, "y", 33), m.buffer(kernel.TempBuffer, "", 33)
			build(m, x, w, y, tmp)
			if l := m.p.Launches[len(m.p.Launches)-1]; !slices.Contains(l.Args, y) {
				m.launch(kernel.Pointwise, []int{y}, []operand{{x, own}})
			}
			m.p.Updates = []kernel.Update{{Variable: w, Value: tmp}}
			requireSame(t, m.p)
			_, r := planned(t, m.p, false)
			require.Equal(t, 1, r.CopiedVariables)
			require.Zero(t, r.InPlaceVariables)
		})
	}
}

func TestMemplanSwap(t *testing.T) {
	m := newProg()
	a, b, c := m.buffer(kernel.VariableBuffer, "a", 5), m.buffer(kernel.VariableBuffer, "b", 5), m.buffer(kernel.VariableBuffer, "c", 5)
	x, y := m.buffer(kernel.InputBuffer, "x", 5), m.buffer(kernel.OutputBuffer, "y", 5)
	m.launch(kernel.Pointwise, []int{y}, []operand{{x, own}, {c, own}})
	m.p.Updates = []kernel.Update{{Variable: a, Value: b}, {Variable: b, Value: a}, {Variable: c, Value: x}}
	requireSame(t, m.p)
	q, _ := planned(t, m.p, false)
	mach := newMachine(q, 1)
	old := mach.mem[a][0]
	mach.run()
	require.Equal(t, old, mach.mem[b][0])
}

func TestMemplanOneValueTwoVariables(t *testing.T) {
	m := newProg()
	a, b := m.buffer(kernel.VariableBuffer, "a", 5), m.buffer(kernel.VariableBuffer, "b", 5)
	y, v := m.buffer(kernel.OutputBuffer, "y", 5), m.buffer(kernel.TempBuffer, "", 5)
	m.launch(kernel.Pointwise, []int{v}, []operand{{a, own}})
	m.launch(kernel.Pointwise, []int{y}, []operand{{v, own}, {b, own}})
	m.p.Updates = []kernel.Update{{Variable: a, Value: v}, {Variable: b, Value: v}}
	requireSame(t, m.p)
}

func TestMemplanRejects(t *testing.T) {
	m := newProg()
	a, x := m.buffer(kernel.VariableBuffer, "a", 5), m.buffer(kernel.InputBuffer, "x", 5)
	long, tmp := m.buffer(kernel.InputBuffer, "long", 6), m.buffer(kernel.TempBuffer, "", 5)
	y := m.buffer(kernel.OutputBuffer, "y", 5)
	for want, us := range map[string][]kernel.Update{
		"which is no variable": {{Variable: x, Value: a}},
		"is updated twice":     {{Variable: a, Value: x}, {Variable: a, Value: x}},
		"f32[5] = f32[6]":      {{Variable: a, Value: long}},
	} {
		q := snapshot(m.p)
		q.Updates = us
		require.ErrorContains(t, memplan(&Config{}, q), want)
	}
	m.launch(kernel.Pointwise, []int{y}, []operand{{tmp, own}})
	require.ErrorContains(t, memplan(&Config{}, m.p), "which nothing wrote")
}

func TestMemplanTempsInPlace(t *testing.T) {
	m := newProg()
	x, y := m.buffer(kernel.InputBuffer, "x", 100), m.buffer(kernel.OutputBuffer, "y", 100)
	last := x
	for i := range 6 {
		n := m.buffer(kernel.TempBuffer, "", 100)
		how := own
		if i == 3 {
			how = reverse
		}
		m.launch(kernel.Pointwise, []int{n}, []operand{{last, how}})
		last = n
	}
	m.launch(kernel.Pointwise, []int{y}, []operand{{last, own}})
	requireSame(t, m.p)
	_, r := planned(t, m.p, false)
	require.Equal(t, 4, r.InPlaceTemps)
	require.Equal(t, int64(2*448), r.Peak)
	require.Equal(t, r.Peak, r.LowerBound)
	require.Equal(t, int64(6*448), r.Sum)
	require.Contains(t, r.String(), "arena 896 bytes, 2688 without reuse, lower bound 896\n")
	require.Len(t, r.Largest, 2)
}

// The update of w frees the gradient and is ready long before its place.
func TestOrderRunsUpdatesEarly(t *testing.T) {
	m := newProg()
	x := m.buffer(kernel.InputBuffer, "x", 1000)
	var ws, grads, news []int
	for range 4 {
		ws = append(ws, m.buffer(kernel.VariableBuffer, "w", 1000))
		grads = append(grads, m.buffer(kernel.TempBuffer, "", 1000))
		news = append(news, m.buffer(kernel.TempBuffer, "", 1000))
	}
	for i := range ws {
		m.launch(kernel.Pointwise, []int{grads[i]}, []operand{{x, reverse}, {ws[i], reverse}})
	}
	for i := range ws {
		m.launch(kernel.Pointwise, []int{news[i]}, []operand{{ws[i], own}, {grads[i], own}})
		m.p.Updates = append(m.p.Updates, kernel.Update{Variable: ws[i], Value: news[i]})
	}
	requireSame(t, m.p)
	_, r := planned(t, m.p, false)
	require.Equal(t, 4*alignUp(4000), r.Peak)
	_, r = planned(t, m.p, true)
	require.Equal(t, alignUp(4000), r.Peak)
	require.Equal(t, 4, r.InPlaceVariables)
}

// A reader that stood after the update moves before it.
func TestOrderReadersFirst(t *testing.T) {
	m := newProg()
	w, y := m.buffer(kernel.VariableBuffer, "w", 9), m.buffer(kernel.OutputBuffer, "y", 9)
	n := m.buffer(kernel.TempBuffer, "", 9)
	m.launch(kernel.Pointwise, []int{n}, []operand{{w, own}})
	m.launch(kernel.Pointwise, []int{y}, []operand{{w, reverse}})
	m.p.Updates = []kernel.Update{{Variable: w, Value: n}}
	requireSame(t, m.p)
	_, r := planned(t, m.p, false)
	require.Equal(t, 1, r.CopiedVariables)
	_, r = planned(t, m.p, true)
	require.Equal(t, 1, r.InPlaceVariables)
}

// randomProgram draws a program in which anything may read anything.
func randomProgram(t *rapid.T) *kernel.Program {
	m := newProg()
	n := rapid.SampledFrom([]int{1, 3, 17, 40}).Draw(t, "n")
	var ready, vars []int
	for range rapid.IntRange(1, 3).Draw(t, "variables") {
		vars = append(vars, m.buffer(kernel.VariableBuffer, "v", n))
	}
	ready = append(ready, vars...)
	ready = append(ready, m.buffer(kernel.InputBuffer, "x", n))
	pick := rapid.SampledFrom([]int{own, own, own, reverse, total})
	var temps []int
	for range rapid.IntRange(1, 12).Draw(t, "launches") {
		var outs []int
		var ins [][]operand
		for range rapid.IntRange(1, 2).Draw(t, "outs") {
			kind := kernel.TempBuffer
			if rapid.IntRange(0, 5).Draw(t, "output") == 0 {
				kind = kernel.OutputBuffer
			}
			outs = append(outs, m.buffer(kind, "", n))
			var os []operand
			for range rapid.IntRange(1, 3).Draw(t, "ins") {
				at := len(ready) - 1 - min(rapid.IntRange(0, 2*len(ready)).Draw(t, "operand")/2, len(ready)-1)
				os = append(os, operand{ready[at], pick.Draw(t, "how")})
			}
			ins = append(ins, os)
		}
		m.launch(rapid.SampledFrom([]kernel.Form{kernel.Pointwise, kernel.Pointwise, kernel.General}).Draw(t, "form"), outs, ins...)
		ready = append(ready, outs...)
		temps = append(temps, outs...)
	}
	for _, v := range vars {
		if rapid.IntRange(0, 4).Draw(t, "updated") > 0 {
			from := temps
			if rapid.IntRange(0, 4).Draw(t, "leaf") == 0 {
				from = ready
			}
			m.p.Updates = append(m.p.Updates, kernel.Update{Variable: v, Value: rapid.SampledFrom(from).Draw(t, "value")})
		}
	}
	return m.p
}

func TestMemplanRandom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { requireSame(t, randomProgram(t)) })
}

// Large random lifetimes: the arena stays close to the largest live set.
func TestPlaceNearLowerBound(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		p := &kernel.Program{}
		var blocks []*block
		for i := range 200 {
			first := r.IntN(150)
			blocks = append(blocks, &block{size: 64 * int64(1+r.IntN(1<<r.IntN(12))), first: first, last: first + r.IntN(1+r.IntN(40)), buffers: []int{i}})
			p.Buffers = append(p.Buffers, kernel.Buffer{})
		}
		size := place(p, blocks)
		require.LessOrEqual(t, float64(size), 1.05*float64(largestLive(blocks)))
		for i, a := range blocks {
			for _, b := range blocks[:i] {
				require.False(t, a.overlaps(b) && a.offset < b.offset+b.size && b.offset < a.offset+a.size)
			}
		}
	}
}
