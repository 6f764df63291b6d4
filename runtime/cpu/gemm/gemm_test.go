package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"dumbtorch/runtime/cpu/native"
)

const guard = 8 // elements on either side of every destination

// matrix is an operand of rows x k values in one of the layouts a packer knows.
type matrix[T Element] struct {
	strided Strided[T]
	at      func(i, k int) T
}

func newMatrix[T Element](rows, k int, layout string, value func() T) matrix[T] {
	s := Strided[T]{}
	size := 0
	switch layout {
	case "k-major":
		s.Stride, s.KStride, size = k+1, 1, rows*(k+1)
	case "row-major":
		s.Stride, s.KStride, size = 1, rows+2, (rows+2)*k
	case "spread":
		s.Stride, s.KStride, size = 2, 2*rows+3, (2*rows+3)*k
	case "broadcast":
		s.Stride, s.KStride, size = 0, 1, k
	}
	s.Data = make([]T, size)
	for i := range s.Data {
		s.Data[i] = value()
	}
	return matrix[T]{s, func(i, k int) T { return s.Data[i*s.Stride+k*s.KStride] }}
}

// packer hides the type of the operand, as a generated packer would.
func (m *matrix[T]) packer() Packer[T] {
	return PackerFunc[T](func(dst []T, width, i0, i1, k0, k1 int) {
		clear(dst)
		for i := i0; i < i1; i++ {
			for k := k0; k < k1; k++ {
				dst[((i-i0)/width*(k1-k0)+k-k0)*width+(i-i0)%width] = m.at(i, k)
			}
		}
	})
}

// testLevel is the level whose plans a test uses; see onEveryLevel.
var testLevel = native.Portable

// onEveryLevel runs a test for portable code and for each set of vector instructions that this machine has.
func onEveryLevel(t *testing.T, test func(t *testing.T)) {
	best, err := native.Detect()
	require.NoError(t, err)
	defer func() { testLevel = native.Portable }()
	for testLevel = native.Portable; testLevel <= best.Level; testLevel++ {
		t.Run(testLevel.String(), test)
	}
}

func mustPlan[T Element](m, n, k int) Plan {
	p, err := newPlan[T](testLevel, m, n, k)
	if err != nil {
		panic(err)
	}
	return p
}

// sequential is the meaning of a product: each element is the plain sum in ascending k; generated code rounds each product and
// its addition once.
func sequential[T Element](a, b matrix[T], m, n, k int) []T {
	c := make([]T, m*n)
	var e *engine
	if testLevel > native.Portable {
		e = engineFor[T](testLevel)
	}
	for i := range m {
		for j := range n {
			c[i*n+j] = element(e, a, b, i, j, m, n, k)
		}
	}
	return c
}

func element[T Element](e *engine, a, b matrix[T], i, j, m, n, k int) T {
	var sum T
	mat := &a.strided
	if m == 1 {
		mat = &b.strided
	}
	if e != nil && (m == 1 || n == 1) && mat.KStride == 1 {
		for k0 := 0; k0 < k; k0 += vectorDepth {
			sum = dot(e.lanes(), a, b, i, j, k0, min(k0+vectorDepth, k), sum)
		}
		return sum
	}
	fma := e != nil && (m > 1 && n > 1 || mat.Stride == 1)
	for p := range k {
		if fma {
			sum = fusedAdd(a.at(i, p), b.at(j, p), sum)
		} else {
			sum += T(a.at(i, p) * b.at(j, p))
		}
	}
	return sum
}

// dot adds steps [k0,k1) to sum in the order of engineDots.
func dot[T Element](lanes int, a, b matrix[T], i, j, k0, k1 int, sum T) T {
	parts := make([]T, lanes)
	full := (k1 - k0) / lanes * lanes
	for p := range full {
		parts[p%lanes] = fusedAdd(a.at(i, k0+p), b.at(j, k0+p), parts[p%lanes])
	}
	for len(parts) > 1 {
		for q := range len(parts) / 2 {
			parts[q] = parts[2*q] + parts[2*q+1]
		}
		parts = parts[:len(parts)/2]
	}
	sum += parts[0]
	for p := k0 + full; p < k1; p++ {
		sum += T(a.at(i, p) * b.at(j, p))
	}
	return sum
}

// execute runs a product on some workers, in memory that is exactly as long as the plan says and starts as garbage.
func execute[T Element](g *Product[T], workers int, garbage T) {
	memory := func(n int) []T {
		x := make([]T, n)
		for i := range x {
			x[i] = garbage
		}
		return x[:n:n]
	}
	shared := memory(g.Plan.SharedLen())
	phase := func(tasks int, do func(task int, scratch []T)) {
		var next atomic.Int64
		var all sync.WaitGroup
		for range workers {
			scratch := memory(g.Plan.ScratchLen())
			all.Go(func() {
				for i := int(next.Add(1)); i <= tasks; i = int(next.Add(1)) {
					do(tasks-i, scratch)
				}
			})
		}
		all.Wait()
	}
	phase(g.Plan.PackTasks(), func(i int, _ []T) { g.Pack(i, shared) })
	phase(g.Plan.Tasks(), func(i int, scratch []T) { g.Run(i, shared, scratch) })
}

// requireProduct checks C = A*B stored to a guarded, padded destination and handed to an epilogue, against want.
func requireProduct[T Element](t require.TestingT, p Plan, a, b Packer[T], workers int, garbage T, want []T) {
	m, n := p.M, p.N
	ldc := n + 3
	memory := make([]T, 2*guard+m*ldc)
	for i := range memory {
		memory[i] = 77
	}
	size := 0
	if m > 0 && n > 0 {
		size = (m-1)*ldc + n
	}
	g := &Product[T]{Plan: p, A: a, B: b, C: memory[guard : guard+size : guard+size], LDC: ldc}
	require.NoError(t, g.Check())
	execute(g, workers, garbage)
	for at, v := range memory {
		i, j := (at-guard)/max(1, ldc), (at-guard)%max(1, ldc)
		if at < guard || i >= m || j >= n {
			if v != 77 {
				require.Equal(t, T(77), v, "wrote outside C at %d", at-guard)
			}
		} else if bitsOf(v) != bitsOf(want[i*n+j]) {
			require.Equal(t, want[i*n+j], v, "C[%d,%d] of %+v", i, j, p)
		}
	}

	got, calls, beside := make([]T, m*n), make([]int, m*n), make([]T, m*n+1)
	ahead := []Ahead{{Data: unsafe.Pointer(&beside[0]), Stride: n * int(unsafe.Sizeof(beside[0])), Size: int(unsafe.Sizeof(beside[0]))}}
	g = &Product[T]{Plan: p, A: a, B: b, Ahead: ahead, Epilogue: func(c []T, ldc, m0, m1, n0, n1 int) {
		for i := m0; i < m1; i++ {
			for j := n0; j < n1; j++ {
				got[i*n+j] = c[(i-m0)*ldc+j-n0]
				calls[i*n+j]++
			}
		}
	}}
	require.NoError(t, g.Check())
	execute(g, workers, garbage)
	for i := range want {
		if calls[i] != 1 || bitsOf(want[i]) != bitsOf(got[i]) {
			require.Equal(t, 1, calls[i], "epilogue calls for element %d of %+v", i, p)
			require.Equal(t, want[i], got[i], "element %d of %+v", i, p)
		}
	}
}

func bitsOf[T Element](x T) uint64 { return math.Float64bits(float64(x)) }

func normal[T Element](r *rand.Rand) func() T { return func() T { return T(r.NormFloat64() * 3) } }

func TestSmallSizes(t *testing.T) { onEveryLevel(t, smallSizes) }

func smallSizes(t *testing.T) {
	sizes := []int{0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 20, 31, 33}
	if testing.Short() {
		sizes = []int{0, 1, 2, 5, 17}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, m := range sizes {
		for _, n := range sizes {
			for _, k := range sizes {
				p := mustPlan[float32](m, n, k)
				layouts := []string{"k-major", "row-major", "spread"}
				a := newMatrix(m, k, layouts[r.IntN(3)], normal[float32](r))
				b := newMatrix(n, k, layouts[r.IntN(3)], normal[float32](r))
				requireProduct(t, p, &a.strided, &b.strided, 1, float32(math.NaN()), sequential(a, b, m, n, k))
			}
		}
	}
}

// TestAgainstFloat64 bounds the error of a float32 product by that of any summation order.
func TestAgainstFloat64(t *testing.T) { onEveryLevel(t, againstFloat64) }

func againstFloat64(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, s := range [][3]int{{33, 31, 17}, {128, 10, 256}, {1, 100, 700}, {65, 130, 1030}} {
		m, n, k := s[0], s[1], s[2]
		a, b := newMatrix(m, k, "k-major", normal[float32](r)), newMatrix(n, k, "row-major", normal[float32](r))
		c := make([]float32, m*n)
		execute(&Product[float32]{Plan: mustPlan[float32](m, n, k), A: &a.strided, B: &b.strided, C: c, LDC: n}, 2, float32(math.NaN()))
		for i := range m {
			for j := range n {
				var sum, size float64
				for p := range k {
					v := float64(a.at(i, p)) * float64(b.at(j, p))
					sum, size = sum+v, size+math.Abs(v)
				}
				require.LessOrEqual(t, math.Abs(float64(c[i*n+j])-sum), size*float64(k)*0x1p-24, "C[%d,%d] of %v", i, j, s)
			}
		}
	}
}

// TestWorkers covers every kind of plan with one to three workers: the bits are those of the sequential sum.
func TestWorkers(t *testing.T) { onEveryLevel(t, workers) }

func workers(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	plans := map[string]bool{}
	for _, s := range [][3]int{{128, 10, 256}, {130, 140, 515}, {420, 70, 40}, {1, 300, 1030}, {300, 1, 1030}, {257, 131, 1}, {200, 200, 0}} {
		m, n, k := s[0], s[1], s[2]
		for _, layout := range []string{"k-major", "row-major", "spread", "broadcast"} {
			a, b := newMatrix(m, k, layout, normal[float32](r)), newMatrix(n, k, layout, normal[float32](r))
			want := sequential(a, b, m, n, k)
			serial, err := newSerialPlan[float32](testLevel, m, n, k)
			require.NoError(t, err)
			requireProduct(t, serial, &a.strided, &b.strided, 2, float32(math.NaN()), want)
			for workers := 1; workers <= 3; workers++ {
				p := mustPlan[float32](m, n, k)
				plans[fmt.Sprint(p.serial, p.shared)] = true
				requireProduct(t, p, &a.strided, &b.strided, workers, float32(math.NaN()), want)
				if m > 1 && n > 1 { // a packed vector takes the portable micro-kernel
					requireProduct(t, p, a.packer(), b.packer(), workers, float32(math.NaN()), want)
				}
			}
		}
	}
	require.Len(t, plans, 3, "serial, private and shared plans")
}

func TestProperty(t *testing.T) { onEveryLevel(t, everyType) }

func everyType(t *testing.T) {
	t.Run("float32", func(t *testing.T) { property[float32](t, float32(math.NaN())) })
	t.Run("float64", func(t *testing.T) { property(t, math.NaN()) })
	t.Run("int32", func(t *testing.T) { property[int32](t, -1) })
	t.Run("int64", func(t *testing.T) { property[int64](t, -1) })
}

func property[T Element](t *testing.T, garbage T) {
	rapid.Check(t, func(t *rapid.T) {
		extent := rapid.OneOf(rapid.IntRange(0, 20), rapid.IntRange(60, 140))
		m, n, k := extent.Draw(t, "m"), extent.Draw(t, "n"), extent.Draw(t, "k")
		layout := rapid.SampledFrom([]string{"k-major", "row-major", "spread", "broadcast"})
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		a := newMatrix(m, k, layout.Draw(t, "A"), normal[T](r))
		b := newMatrix(n, k, layout.Draw(t, "B"), normal[T](r))
		p := mustPlan[T](m, n, k)
		if m > 1 && n > 1 {
			p.shared = rapid.Bool().Draw(t, "shared")
		}
		if rapid.Bool().Draw(t, "split") {
			p.serial = false
		}
		requireProduct[T](t, p, &a.strided, &b.strided, rapid.IntRange(1, 3).Draw(t, "workers"), garbage, sequential(a, b, m, n, k))
	})
}

// TestSpecialValues checks that padding never meets a value: an infinity times a pad would be NaN.
func TestSpecialValues(t *testing.T) { onEveryLevel(t, specialValues) }

func specialValues(t *testing.T) {
	values := []float32{0, float32(math.Copysign(0, -1)), 1, float32(math.Inf(1)), float32(math.Inf(-1)), math.MaxFloat32, 0x1p-149}
	r := rand.New(rand.NewPCG(7, 8))
	for _, s := range [][3]int{{1, 1, 1}, {3, 3, 3}, {5, 9, 2}, {1, 9, 1}, {9, 1, 5}} {
		for range 50 {
			value := func() float32 { return values[r.IntN(len(values))] }
			a, b := newMatrix(s[0], s[2], "k-major", value), newMatrix(s[1], s[2], "row-major", value)
			want := sequential(a, b, s[0], s[1], s[2])
			c := make([]float32, len(want))
			execute(&Product[float32]{Plan: mustPlan[float32](s[0], s[1], s[2]), A: &a.strided, B: &b.strided, C: c, LDC: s[1]}, 1, 0)
			for i := range want {
				if want[i] != want[i] {
					require.True(t, c[i] != c[i], "element %d of %v", i, s)
				} else {
					require.Equal(t, math.Float32bits(want[i]), math.Float32bits(c[i]), "element %d of %v", i, s)
				}
			}
		}
	}
}

// TestNoContraction fails where the compiler fuses the multiply and the add: the rounded
// product cancels the sum before it, the exact one leaves a remainder.
func TestNoContraction(t *testing.T) {
	x := float32(1 + 0x1p-12)
	a, b := Strided[float32]{Data: []float32{-1 - 0x1p-11, x}, Stride: 2, KStride: 1}, Strided[float32]{Data: []float32{1, x}, Stride: 2, KStride: 1}
	for _, rows := range []int{1, 4} {
		a, b := a, b
		a.Stride, b.Stride = 0, 0
		c := make([]float32, rows*rows)
		execute(&Product[float32]{Plan: mustPlan[float32](rows, rows, 2), A: &a, B: &b, C: c, LDC: rows}, 1, 0)
		for _, v := range c {
			require.Zero(t, v)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, s := range [][3]int{{-1, 2, 3}, {2, -1, 3}, {2, 3, -1}, {math.MaxInt, 2, 1}, {math.MaxInt / 2, 1, math.MaxInt / 2}} {
		_, err := NewPlan[float32](s[0], s[1], s[2])
		require.ErrorIs(t, err, ErrShape, "%v", s)
		_, err = NewSerialPlan[float32](s[0], s[1], s[2])
		require.ErrorIs(t, err, ErrShape, "%v", s)
	}
	data := make([]float32, 12)
	good := func() *Product[float32] {
		return &Product[float32]{
			Plan: mustPlan[float32](3, 4, 4), A: &Strided[float32]{Data: data, Stride: 4, KStride: 1}, B: &Strided[float32]{Data: data, Stride: 1, KStride: 2},
			C: make([]float32, 12), LDC: 4,
		}
	}
	require.NoError(t, good().Check())
	for name, spoil := range map[string]func(*Product[float32]){
		"no A":            func(g *Product[float32]) { g.A = nil },
		"short A":         func(g *Product[float32]) { g.A = &Strided[float32]{Data: data[:11], Stride: 4, KStride: 1} },
		"negative stride": func(g *Product[float32]) { g.B = &Strided[float32]{Data: data, Stride: -1, KStride: 1} },
		"overflow": func(g *Product[float32]) {
			g.B = &Strided[float32]{Data: data, Stride: math.MaxInt, KStride: math.MaxInt}
		},
		"short C":  func(g *Product[float32]) { g.C = g.C[:11] },
		"narrow C": func(g *Product[float32]) { g.LDC = 3 },
	} {
		g := good()
		spoil(g)
		require.ErrorIs(t, g.Check(), ErrBounds, name)
	}
}

func TestRunDoesNotAllocate(t *testing.T) { onEveryLevel(t, runDoesNotAllocate) }

func runDoesNotAllocate(t *testing.T) {
	for _, s := range [][3]int{{33, 31, 17}, {128, 10, 256}, {130, 260, 70}, {1, 300, 600}} {
		a, b := &Strided[float32]{Data: make([]float32, s[0]*s[2]), Stride: s[2], KStride: 1}, &Strided[float32]{Data: make([]float32, s[1]*s[2]), Stride: 1, KStride: s[1]}
		p := mustPlan[float32](s[0], s[1], s[2])
		g := &Product[float32]{Plan: p, A: a, B: b, Epilogue: func([]float32, int, int, int, int, int) {}}
		shared, scratch := make([]float32, p.SharedLen()), make([]float32, p.ScratchLen())
		require.Zero(t, testing.AllocsPerRun(3, func() {
			for i := range p.PackTasks() {
				g.Pack(i, shared)
			}
			for i := range p.Tasks() {
				g.Run(i, shared, scratch)
			}
		}), "%v", s)
	}
}
