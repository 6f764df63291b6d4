package simd

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"dumbtorch/ir/kernel"
)

// A rowProgram is a program over rows beside its meaning: every value is a
// function of row and lane.
type rowProgram struct {
	b           *Builder
	rows, width int
	values      []rowValue
	ins, outs   []rowStream
	scalars     []uint32
}

type rowValue struct {
	v    Value
	typ  Type
	lane bool
	eval func(r, i int) kernel.Scalar
}

type rowStream struct {
	s    Stream
	n    int
	mem  []byte
	eval func(r, i int) kernel.Scalar
}

// bytes is the memory of a stream: its last element ends it.
func (p *rowProgram) bytes(s Stream) int {
	n := s.Type.bytes()
	if !s.Row {
		n *= p.width
	}
	return (p.rows-1)*s.Step + n
}

func (p *rowProgram) push(v Value, t Type, lane bool, f func(r, i int) kernel.Scalar) {
	p.values = append(p.values, rowValue{v, t, lane, f})
}

func (p *rowProgram) load(r *rand.Rand, alloc func(n int) []byte) {
	s := Stream{Type: anyType(r), Row: r.IntN(4) == 0, Ahead: r.IntN(2) == 0}
	size := s.Type.bytes()
	switch r.IntN(3) {
	case 0: // the same for all rows
	case 1:
		s.Step = size * (p.width + r.IntN(3))
	default:
		s.Step = size * p.width
	}
	mem := alloc(p.bytes(s))
	fillRandom(r, s.Type, mem, len(mem)/size)
	v, n := p.b.Load(s)
	p.ins = append(p.ins, rowStream{s: s, n: n, mem: mem})
	p.push(v, s.Type, !s.Row, func(r, i int) kernel.Scalar {
		if s.Row {
			i = 0
		}
		return scalar(s.Type, mem[r*s.Step:], i)
	})
}

func (p *rowProgram) store(r *rand.Rand, x rowValue, alloc func(n int) []byte) {
	s := Stream{Type: x.typ, Row: !x.lane && r.IntN(2) == 0, Around: r.IntN(2) == 0}
	s.Step = s.Type.bytes() * (p.width + r.IntN(2)*r.IntN(9))
	p.outs = append(p.outs, rowStream{s: s, n: p.b.Store(s, x.v), mem: alloc(p.bytes(s)), eval: x.eval})
}

// foldRow is the fold in its order.
func foldRow(op kernel.Op, t Type, width int, f func(i int) kernel.Scalar) kernel.Scalar {
	parts := make([]kernel.Scalar, foldLanes)
	for i := range parts {
		parts[i] = kernel.Identity(op, dtypes[t])
	}
	for i := range width {
		parts[i%foldLanes] = kernel.Eval2(op, parts[i%foldLanes], f(i))
	}
	fold := func(n int, at func(i int) (int, int)) {
		var next []kernel.Scalar
		for i := range n {
			a, b := at(i)
			next = append(next, kernel.Eval2(op, parts[a], parts[b]))
		}
		parts = next
	}
	fold(16, func(i int) (int, int) { return i/8*16 + i%8, i/8*16 + i%8 + 8 })
	fold(8, func(i int) (int, int) { return i, i + 8 })
	for n := 4; n > 0; n /= 2 {
		fold(n, func(i int) (int, int) { return 2 * i, 2*i + 1 })
	}
	return parts[0]
}

// grow appends a random operation.
func (p *rowProgram) grow(r *rand.Rand) {
	x := p.values[r.IntN(len(p.values))]
	dt := dtypes[x.typ]
	if r.IntN(5) == 0 {
		op := []kernel.Op{kernel.Add, kernel.Max, kernel.Min, kernel.Mul}[r.IntN(4)]
		memo := map[int]kernel.Scalar{}
		if v, ok := p.b.Fold(op, x.typ, x.v); ok {
			p.push(v, x.typ, false, func(r, _ int) kernel.Scalar {
				if _, ok := memo[r]; !ok {
					memo[r] = foldRow(op, x.typ, p.width, func(i int) kernel.Scalar { return x.eval(r, i) })
				}
				return memo[r]
			})
		}
		return
	}
	if r.IntN(8) == 0 {
		p.push(p.b.Lane(), I32, true, func(_, i int) kernel.Scalar { return kernel.IntScalar(dtypes[I32], int64(i)) })
		return
	}
	ops := kernel.Ops()
	op := ops[r.IntN(len(ops))]
	if tolerances[op] > 0 {
		return
	}
	if op.Info().Arity == 1 {
		if v, ok := p.b.Unary(op, x.typ, x.v); ok {
			p.push(v, x.typ, x.lane, func(r, i int) kernel.Scalar { return kernel.Eval1(op, x.eval(r, i)) })
		}
		return
	}
	y := p.values[r.IntN(len(p.values))]
	if y.typ != x.typ {
		v, ok := p.b.Convert(y.typ, x.typ, y.v)
		if !ok {
			return
		}
		f := y.eval
		y = rowValue{v, x.typ, y.lane, func(r, i int) kernel.Scalar { return kernel.EvalCast(f(r, i), dt) }}
	}
	if v, ok := p.b.Binary(op, x.typ, x.v, y.v); ok {
		t := x.typ
		if op.Info().Compare {
			t = Bool
		}
		p.push(v, t, x.lane || y.lane, func(r, i int) kernel.Scalar { return kernel.Eval2(op, x.eval(r, i), y.eval(r, i)) })
	}
}

// run runs the program and checks what it stored.
func (p *rowProgram) run(t require.TestingT, fixed bool) {
	width := 0
	if fixed {
		width = p.width
	}
	l, err := p.b.Compile(width)
	if err != nil {
		require.ErrorContains(t, err, "more than")
		return
	}
	args := new(Args)
	copy(args.Scalars[:], p.scalars)
	scratch := make([]byte, l.Scratch()+1)
	for i := range scratch {
		scratch[i] = 0xFF // NaN
	}
	args.Scratch, args.Around = unsafe.Pointer(&scratch[0]), true
	for _, s := range append(append([]rowStream{}, p.ins...), p.outs...) {
		args.Streams[s.n] = unsafe.Pointer(&s.mem[0])
	}
	l.Run(args, p.rows, p.width)
	require.NoError(t, l.Free())
	require.EqualValues(t, 0xFF, scratch[len(scratch)-1])
	for k, o := range p.outs {
		n := p.width
		if o.s.Row {
			n = 1
		}
		written := make([]bool, len(o.mem))
		for r := range p.rows {
			for i := range n {
				for j := range o.s.Type.bytes() {
					written[r*o.s.Step+i*o.s.Type.bytes()+j] = true
				}
				require.Equal(t, text(o.eval(r, i)), text(scalar(o.s.Type, o.mem[r*o.s.Step:], i)), "output %d, row %d, lane %d of %d", k, r, i, n)
			}
		}
		for i, w := range written {
			if !w {
				require.EqualValues(t, 0xA5, o.mem[i], "wrote between rows")
			}
		}
	}
}

// TestRows runs random programs with folds on memory that ends with its last
// element.
func TestRows(t *testing.T) {
	eachForm(t, func(t *testing.T, wide bool) {
		alloc := func(n int) []byte { return guarded(t, n) }
		rapid.Check(t, func(rt *rapid.T) {
			r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
			p := &rowProgram{b: newBuilder(wide), rows: 1 + r.IntN(4), width: rapid.IntRange(1, 140).Draw(rt, "width")}
			out := func(n int) []byte {
				mem := alloc(n)
				for i := range mem {
					mem[i] = 0xA5
				}
				return mem
			}
			for range 1 + r.IntN(5) {
				p.load(r, alloc)
			}
			for range r.IntN(3) {
				v, slot := p.b.Scalar()
				f := values[r.IntN(len(values))]
				require.Equal(rt, len(p.scalars), slot)
				p.scalars = append(p.scalars, math.Float32bits(f))
				p.push(v, F32, false, func(int, int) kernel.Scalar { return kernel.FloatScalar(dtypes[F32], float64(f)) })
			}
			for range rapid.IntRange(0, 30).Draw(rt, "ops") {
				p.grow(r)
			}
			for range 1 + r.IntN(4) {
				p.store(r, p.values[len(p.values)-1-r.IntN(min(len(p.values), 6))], out)
			}
			p.run(rt, r.IntN(3) > 0)
		})
	})
}

// softmax builds exp(x - max) / sum, which takes three passes.
func softmax(b *Builder, width int) (in, out int) {
	s := Stream{Type: F32, Step: 4 * width, Ahead: true}
	x, in := b.Load(s)
	m, _ := b.Fold(kernel.Max, F32, x)
	d, _ := b.Binary(kernel.Sub, F32, x, m)
	e, _ := b.Unary(kernel.Exp, F32, d)
	sum, _ := b.Fold(kernel.Add, F32, e)
	y, _ := b.Binary(kernel.Div, F32, e, sum)
	return in, b.Store(s, y)
}

// TestSoftmaxRows compares with float64, in place, and AVX-512 with AVX2.
func TestSoftmaxRows(t *testing.T) {
	needsCode(t)
	const rows = 3
	r := rand.New(rand.NewPCG(7, 8))
	for _, width := range []int{1, 2, 7, 8, 9, 10, 16, 31, 32, 33, 64, 100, 257, 1024} {
		x := make([]byte, 4*rows*width)
		for i := range rows * width {
			setF32(x, i, float32(r.NormFloat64()*9))
		}
		var results [][]byte
		for _, wide := range []bool{false, wide()} {
			b := newBuilder(wide)
			in, out := softmax(b, width)
			l, err := b.Compile(width)
			require.NoError(t, err)
			mem := guarded(t, len(x))
			copy(mem, x)
			args, scratch := new(Args), make([]byte, l.Scratch()+1)
			args.Scratch = unsafe.Pointer(&scratch[0])
			args.Streams[in], args.Streams[out] = unsafe.Pointer(&mem[0]), unsafe.Pointer(&mem[0])
			l.Run(args, rows, width)
			require.NoError(t, l.Free())
			results = append(results, mem)
			for r := range rows {
				most, sum := math.Inf(-1), 0.0
				for i := range width {
					most = max(most, scalar(F32, x, r*width+i).Float())
				}
				for i := range width {
					sum += math.Exp(scalar(F32, x, r*width+i).Float() - most)
				}
				for i := range width {
					want := math.Exp(scalar(F32, x, r*width+i).Float()-most) / sum
					require.InEpsilon(t, want, scalar(F32, mem, r*width+i).Float(), 4e-6, "width %d", width)
				}
			}
		}
		require.Equal(t, results[0], results[1], "AVX2 and AVX-512 give the same bits")
	}
}

// TestSameBits compares the forms bit by bit on functions over all exponents.
func TestSameBits(t *testing.T) {
	needsCode(t)
	if !wide() {
		t.Skip("no AVX-512 on this machine")
	}
	n := 1 << 16
	x := make([]byte, 4*n)
	for i := range n {
		binary.LittleEndian.PutUint32(x[4*i:], uint32(i)<<16|0x5A5A)
	}
	for op := range tolerances {
		var results [][]byte
		for _, wide := range []bool{false, true} {
			b := newBuilder(wide)
			v, in := b.Load(Stream{Type: F32})
			y, ok := b.Unary(op, F32, v)
			if !ok {
				continue
			}
			out := b.Store(Stream{Type: F32}, y)
			l := compile(t, b)
			args, mem := new(Args), make([]byte, len(x))
			args.Streams[in], args.Streams[out] = unsafe.Pointer(&x[0]), unsafe.Pointer(&mem[0])
			l.Run(args, 1, n)
			require.NoError(t, l.Free())
			results = append(results, mem)
		}
		if len(results) == 2 {
			require.Equal(t, results[0], results[1], fmt.Sprint(op))
		}
	}
}
