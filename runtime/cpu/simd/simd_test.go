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
	"dumbtorch/ir/types"
	"dumbtorch/runtime/cpu/native"
)

func needsCode(t testing.TB) {
	if !Supported() {
		c, _ := native.Detect()
		t.Skipf("no AVX2 code on this machine: %s", c.Reason)
	}
}

// eachForm runs f for each set of instructions that the machine has.
func eachForm(t *testing.T, f func(t *testing.T, wide bool)) {
	needsCode(t)
	t.Run("avx2", func(t *testing.T) { f(t, false) })
	if wide() {
		t.Run("avx512", func(t *testing.T) { f(t, true) })
	}
}

func compile(t require.TestingT, b *Builder) *Loop {
	l, err := b.Compile(0)
	require.NoError(t, err)
	return l
}

var dtypes = map[Type]types.DType{F32: types.F32, I32: types.I32, U32: types.U32, Bool: types.Bool, F16: types.F16, BF16: types.BF16}

func anyType(r *rand.Rand) Type { return Type(r.IntN(len(dtypes))) }

// scalar reads element i of a stream.
func scalar(t Type, mem []byte, i int) kernel.Scalar {
	return kernel.ReadScalar(dtypes[t], mem[i*t.bytes():])
}

// text prints a value; all NaN are alike.
func text(s kernel.Scalar) string {
	if f := s.Float(); f != f {
		return "nan"
	}
	return s.String()
}

func setF32(mem []byte, i int, v float32) { *(*float32)(unsafe.Pointer(&mem[4*i])) = v }
func setI32(mem []byte, i int, v int32)   { *(*int32)(unsafe.Pointer(&mem[4*i])) = v }

// values are numbers at which operations go wrong.
var values = []float32{
	0, float32(math.Copysign(0, -1)), 1, -1, 0.5, -0.5, 1.5, -2.5, 3, 1e-40, -1e-40, 1e-30, 7e30, -7e30, 88.8, -88.8, 103, -104.5, 1e9,
	math.MaxFloat32, -math.MaxFloat32, float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), 0.625, 0.9999, 1.0001, 9.3, -9.3,
}

var ints = []int32{0, 1, -1, 2, 7, -8, 1 << 20, math.MaxInt32, math.MinInt32, -12345}

func fillRandom(r *rand.Rand, t Type, mem []byte, n int) {
	for i := range n {
		switch t {
		case F32:
			if r.IntN(3) == 0 {
				setF32(mem, i, values[r.IntN(len(values))])
			} else {
				setF32(mem, i, float32(r.NormFloat64()*4))
			}
		case I32, U32:
			setI32(mem, i, ints[r.IntN(len(ints))])
		case Bool:
			mem[i] = byte(r.IntN(2))
		case F16, BF16:
			binary.LittleEndian.PutUint16(mem[2*i:], uint16(r.Uint32()))
		}
	}
}

// ulp is the distance of got from the exact value in units of float32's last
// place.
func ulp(got float32, want float64) float64 {
	w := float32(want)
	switch {
	case w != w || got != got:
		if w != w && got != got {
			return 0
		}
		return math.Inf(1)
	case got == w:
		return 0
	case math.IsInf(float64(w), 0) || math.IsInf(float64(got), 0):
		return math.Inf(1)
	}
	e := math.Max(-126, float64(math.Ilogb(math.Abs(want))))
	return math.Abs(float64(got)-want) / math.Ldexp(1, int(e)-23)
}

// tolerances are the functions that are not rounded exactly, in ulp.
var tolerances = map[kernel.Op]float64{
	kernel.Exp: 0.98, kernel.Log: 0.9, kernel.Tanh: 1.4, kernel.Sigmoid: 2.4, kernel.Erf: 2.3, kernel.Rsqrt: 1.5,
	kernel.Expm1: 1.4, kernel.Log1p: 0.9, kernel.Sin: 1.5, kernel.Cos: 1.5, kernel.Pow: 1.2,
}

func TestFunctions(t *testing.T) { eachForm(t, testFunctions) }

func testFunctions(t *testing.T, wide bool) {
	exact := map[kernel.Op]func(float64) float64{
		kernel.Exp: math.Exp, kernel.Log: math.Log, kernel.Tanh: math.Tanh, kernel.Erf: math.Erf,
		kernel.Expm1: math.Expm1, kernel.Log1p: math.Log1p, kernel.Sin: math.Sin, kernel.Cos: math.Cos,
		kernel.Sigmoid: func(x float64) float64 {
			if x < 0 {
				return math.Exp(x) / (1 + math.Exp(x))
			}
			return 1 / (1 + math.Exp(-x))
		},
		kernel.Rsqrt: func(x float64) float64 { return 1 / math.Sqrt(x) },
	}
	step := uint32(8191)
	if testing.Short() {
		step = 1 << 17
	}
	var x []float32
	for bits := uint64(0); bits < 1<<32; bits += uint64(step) {
		x = append(x, math.Float32frombits(uint32(bits)))
	}
	x = append(x, values...)
	y := make([]float32, len(x))
	for op, tolerance := range tolerances {
		if op.Info().Arity != 1 {
			continue
		}
		b := newBuilder(wide)
		v, in := b.Load(Stream{Type: F32})
		r, ok := b.Unary(op, F32, v)
		require.True(t, ok)
		out := b.Store(Stream{Type: F32}, r)
		l := compile(t, b)
		var args Args
		args.Streams[in], args.Streams[out] = unsafe.Pointer(&x[0]), unsafe.Pointer(&y[0])
		l.Run(&args, 1, len(x))
		worst, at := 0.0, float32(0)
		for i, v := range x {
			want := exact[op](float64(v))
			if e := ulp(y[i], want); e > worst {
				worst, at = e, v
			}
			if want == 0 && v == 0 {
				require.Equal(t, math.Signbit(want), math.Signbit(float64(y[i])), "%s(%v)", op, v)
			}
		}
		t.Logf("%s: %.2f ulp at %v", op, worst, at)
		require.LessOrEqual(t, worst, tolerance, "%s at %v", op, at)
		require.NoError(t, l.Free())
	}
}

// TestPow compares with float64 over all exponents, and the special cases.
func TestPow(t *testing.T) { eachForm(t, testPow) }

func testPow(t *testing.T, wide bool) {
	r := rand.New(rand.NewPCG(11, 12))
	var x, y []float32
	special := append([]float32{2, -2, 3, -3, 4, 0.25, -0.25, 1 << 24, -1<<24 + 1}, values...)
	for _, a := range special {
		for _, b := range special {
			x, y = append(x, a), append(y, b)
		}
	}
	for range 200000 {
		a := math.Float32frombits(r.Uint32() &^ (1 << 31))
		if r.IntN(2) == 0 {
			a = float32(1 + r.NormFloat64()*math.Exp(-20*r.Float64()))
		}
		limit := 160 / math.Abs(math.Log2(math.Abs(float64(a))))
		x, y = append(x, a), append(y, float32((2*r.Float64()-1)*limit))
	}
	b := newBuilder(wide)
	vx, sx := b.Load(Stream{Type: F32})
	vy, sy := b.Load(Stream{Type: F32})
	v, ok := b.Binary(kernel.Pow, F32, vx, vy)
	require.True(t, ok)
	out := b.Store(Stream{Type: F32}, v)
	l := compile(t, b)
	z := make([]float32, len(x))
	var args Args
	args.Streams[sx], args.Streams[sy], args.Streams[out] = unsafe.Pointer(&x[0]), unsafe.Pointer(&y[0]), unsafe.Pointer(&z[0])
	l.Run(&args, 1, len(x))
	worst := 0.0
	for i := range x {
		want := math.Pow(float64(x[i]), float64(y[i]))
		e := ulp(z[i], want)
		require.LessOrEqual(t, e, tolerances[kernel.Pow], "pow(%v, %v) = %v, not %v", x[i], y[i], z[i], want)
		worst = max(worst, e)
		if want == 0 || math.IsInf(want, 0) {
			require.Equal(t, math.Signbit(want), math.Signbit(float64(z[i])), "pow(%v, %v)", x[i], y[i])
		}
	}
	t.Logf("pow: %.2f ulp", worst)
	require.NoError(t, l.Free())
}

// TestOperations compares every operation with its meaning.
func TestOperations(t *testing.T) { eachForm(t, testOperations) }

func testOperations(t *testing.T, wide bool) {
	r := rand.New(rand.NewPCG(1, 2))
	covered := 0
	for _, op := range kernel.Ops() {
		for typ, d := range dtypes {
			info := op.Info()
			if tolerances[op] > 0 || info.Arity == 0 {
				continue
			}
			b := newBuilder(wide)
			x, sx := b.Load(Stream{Type: typ})
			var sy int
			var v Value
			ok := false
			if info.Arity == 1 {
				v, ok = b.Unary(op, typ, x)
			} else {
				var y Value
				y, sy = b.Load(Stream{Type: typ})
				v, ok = b.Binary(op, typ, x, y)
			}
			if !ok {
				continue
			}
			covered++
			result := typ
			if info.Compare {
				result = Bool
			}
			out := b.Store(Stream{Type: result}, v)
			l := compile(t, b)
			n := 1003
			mx, my, mz := make([]byte, 4*n), make([]byte, 4*n), make([]byte, 4*n)
			fillRandom(r, typ, mx, n)
			fillRandom(r, typ, my, n)
			var args Args
			args.Streams[sx] = unsafe.Pointer(&mx[0])
			if info.Arity == 2 {
				args.Streams[sy] = unsafe.Pointer(&my[0])
			}
			args.Streams[out] = unsafe.Pointer(&mz[0])
			l.Run(&args, 1, n)
			for i := range n {
				var want kernel.Scalar
				if info.Arity == 1 {
					want = kernel.Eval1(op, scalar(typ, mx, i))
				} else {
					want = kernel.Eval2(op, scalar(typ, mx, i), scalar(typ, my, i))
				}
				got := scalar(result, mz, i)
				require.Equal(t, text(want), text(got), "%s.%s of %v, %v", op, d, scalar(typ, mx, i), scalar(typ, my, i))
			}
			require.NoError(t, l.Free())
		}
	}
	require.Greater(t, covered, 40)
}

// TestConstantExtremes covers the forms of max and min with a constant.
func TestConstantExtremes(t *testing.T) { eachForm(t, testConstantExtremes) }

func testConstantExtremes(t *testing.T, wide bool) {
	for _, op := range []kernel.Op{kernel.Max, kernel.Min} {
		for _, c := range values {
			b := newBuilder(wide)
			x, in := b.Load(Stream{Type: F32})
			v, _ := b.Binary(op, F32, b.Const(math.Float32bits(c)), x)
			out := b.Store(Stream{Type: F32}, v)
			l := compile(t, b)
			y := make([]float32, len(values))
			var args Args
			args.Streams[in], args.Streams[out] = unsafe.Pointer(&values[0]), unsafe.Pointer(&y[0])
			l.Run(&args, 1, len(values))
			for i, v := range values {
				want := kernel.Eval2(op, kernel.FloatScalar(types.F32, float64(c)), kernel.FloatScalar(types.F32, float64(v)))
				require.Equal(t, text(want), text(kernel.FloatScalar(types.F32, float64(y[i]))), "%s(%v, %v)", op, c, v)
			}
			require.NoError(t, l.Free())
		}
	}
}

func TestConversions(t *testing.T) { eachForm(t, testConversions) }

func testConversions(t *testing.T, wide bool) {
	r := rand.New(rand.NewPCG(3, 4))
	for from, df := range dtypes {
		for to, dt := range dtypes {
			b := newBuilder(wide)
			x, in := b.Load(Stream{Type: from})
			v, ok := b.Convert(from, to, x)
			if !ok {
				halfs := df.IsHalf() || dt.IsHalf()
				require.True(t, from == F32 && to == U32 || halfs && from != F32 && to != F32, "%v to %v", df, dt)
				continue
			}
			out := b.Store(Stream{Type: to}, v)
			l := compile(t, b)
			n := 77
			mx, mz := make([]byte, 4*n), make([]byte, 4*n)
			fillRandom(r, from, mx, n)
			var args Args
			args.Streams[in], args.Streams[out] = unsafe.Pointer(&mx[0]), unsafe.Pointer(&mz[0])
			l.Run(&args, 1, n)
			for i := range n {
				want := kernel.EvalCast(scalar(from, mx, i), dt)
				require.Equal(t, text(want), text(scalar(to, mz, i)), "%v to %v", df, dt)
			}
			require.NoError(t, l.Free())
		}
	}
}

// program is a random program and its meaning.
type program struct {
	b      *Builder
	types  []Type // of values
	eval   []func(i int) kernel.Scalar
	values []Value
	mem    [][]byte // by stream
	slots  []uint32
}

// TestRandomPrograms mixes types, scalars, constants and more values than there
// are registers.
func TestRandomPrograms(t *testing.T) { eachForm(t, testRandomPrograms) }

func testRandomPrograms(t *testing.T, wide bool) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 70).Draw(t, "n")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		p := &program{b: newBuilder(wide)}
		push := func(typ Type, v Value, f func(i int) kernel.Scalar) {
			p.values, p.types, p.eval = append(p.values, v), append(p.types, typ), append(p.eval, f)
		}
		for range rapid.IntRange(1, 10).Draw(t, "inputs") {
			typ := anyType(r)
			mem := make([]byte, 4*n+1)
			fillRandom(r, typ, mem, n)
			v, s := p.b.Load(Stream{Type: typ})
			p.mem = append(p.mem, mem)
			require.Equal(t, len(p.mem)-1, s)
			push(typ, v, func(i int) kernel.Scalar { return scalar(typ, mem, i) })
		}
		for range r.IntN(4) {
			f := values[r.IntN(len(values))]
			if r.IntN(2) == 0 {
				push(F32, p.b.Const(math.Float32bits(f)), func(int) kernel.Scalar { return kernel.FloatScalar(types.F32, float64(f)) })
				continue
			}
			v, slot := p.b.Scalar()
			require.Equal(t, len(p.slots), slot)
			p.slots = append(p.slots, math.Float32bits(f))
			push(F32, v, func(int) kernel.Scalar { return kernel.FloatScalar(types.F32, float64(f)) })
		}
		for range rapid.IntRange(0, 60).Draw(t, "ops") {
			p.grow(r, push)
		}
		var outs []int
		for range 1 + r.IntN(3) {
			i := len(p.values) - 1 - r.IntN(min(len(p.values), 6))
			outs = append(outs, i)
			p.mem = append(p.mem, make([]byte, 4*n+1))
			p.b.Store(Stream{Type: p.types[i]}, p.values[i])
		}
		l, err := p.b.Compile(0)
		if err != nil {
			require.ErrorContains(t, err, "more than")
			return
		}
		var args Args
		copy(args.Scalars[:], p.slots)
		for s, mem := range p.mem {
			mem[len(mem)-1] = 0xA5
			args.Streams[s] = unsafe.Pointer(&mem[0])
		}
		l.Run(&args, 1, n)
		for k, v := range outs {
			mem := p.mem[len(p.mem)-len(outs)+k]
			require.EqualValues(t, 0xA5, mem[len(mem)-1], "wrote outside")
			for i := range n {
				require.Equal(t, text(p.eval[v](i)), text(scalar(p.types[v], mem, i)), "output %d, lane %d of %d", k, i, n)
			}
		}
		require.NoError(t, l.Free())
	})
}

// grow appends a random operation.
func (p *program) grow(r *rand.Rand, push func(Type, Value, func(i int) kernel.Scalar)) {
	x := r.IntN(len(p.values))
	typ := p.types[x]
	fx := p.eval[x]
	same := func() int {
		for {
			if y := r.IntN(len(p.values)); p.types[y] == typ {
				return y
			}
		}
	}
	ops := kernel.Ops()
	switch op := ops[r.IntN(len(ops))]; {
	case tolerances[op] > 0:
	case r.IntN(6) == 0:
		to := anyType(r)
		if v, ok := p.b.Convert(typ, to, p.values[x]); ok {
			push(to, v, func(i int) kernel.Scalar { return kernel.EvalCast(fx(i), dtypes[to]) })
		}
	case r.IntN(6) == 0:
		m := r.IntN(len(p.values))
		if p.types[m] != Bool {
			return
		}
		y := same()
		fy, fm := p.eval[y], p.eval[m]
		push(typ, p.b.Select(p.values[m], p.values[x], p.values[y]), func(i int) kernel.Scalar {
			if fm(i).Int() != 0 {
				return fx(i)
			}
			return fy(i)
		})
	case op.Info().Arity == 1:
		if v, ok := p.b.Unary(op, typ, p.values[x]); ok {
			push(typ, v, func(i int) kernel.Scalar { return kernel.Eval1(op, fx(i)) })
		}
	default:
		y := same()
		fy := p.eval[y]
		if v, ok := p.b.Binary(op, typ, p.values[x], p.values[y]); ok {
			result := typ
			if op.Info().Compare {
				result = Bool
			}
			push(result, v, func(i int) kernel.Scalar { return kernel.Eval2(op, fx(i), fy(i)) })
		}
	}
}

func TestLimits(t *testing.T) {
	needsCode(t)
	b := NewBuilder()
	for range maxStreams + 1 {
		b.Load(Stream{Type: F32})
	}
	_, err := b.Compile(0)
	require.ErrorContains(t, err, "21 streams, more than 20")
	b = NewBuilder()
	for range maxScalars + 1 {
		b.Scalar()
	}
	_, err = b.Compile(0)
	require.ErrorContains(t, err, "25 scalars, more than 24")
}

func TestRunDoesNotAllocate(t *testing.T) {
	needsCode(t)
	b := NewBuilder()
	x, in := b.Load(Stream{Type: F32})
	v, _ := b.Unary(kernel.Tanh, F32, x)
	out := b.Store(Stream{Type: F32}, v)
	l := compile(t, b)
	data := make([]float32, 21)
	args := new(Args)
	args.Streams[in], args.Streams[out] = unsafe.Pointer(&data[0]), unsafe.Pointer(&data[0])
	require.Zero(t, testing.AllocsPerRun(10, func() { l.Run(args, 1, len(data)) }))
	require.NoError(t, l.Free())
}

func BenchmarkFunctions(b *testing.B) {
	needsCode(b)
	x := make([]float32, 2048)
	for i := range x {
		x[i] = float32(i%40) / 10
	}
	y := make([]float32, len(x))
	for _, op := range []kernel.Op{kernel.Exp, kernel.Log, kernel.Tanh, kernel.Sigmoid, kernel.Erf, kernel.Sqrt, kernel.Abs} {
		b.Run(fmt.Sprint(op), func(b *testing.B) {
			p := NewBuilder()
			v, in := p.Load(Stream{Type: F32})
			r, _ := p.Unary(op, F32, v)
			out := p.Store(Stream{Type: F32}, r)
			l := compile(b, p)
			var args Args
			args.Streams[in], args.Streams[out] = unsafe.Pointer(&x[0]), unsafe.Pointer(&y[0])
			for b.Loop() {
				l.Run(&args, 1, len(x))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(x)), "ns/elem")
		})
	}
}
