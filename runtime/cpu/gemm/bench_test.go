package gemm

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"

	"dumbtorch/runtime/cpu/native"
)

var benchShapes = [][3]int{
	{128, 128, 128}, {256, 256, 256}, {512, 512, 512}, {1024, 1024, 1024},
	{128, 512, 784}, {128, 256, 512}, {128, 10, 256}, {512, 784, 128}, {256, 512, 128},
	{1, 512, 784}, {64, 64, 10}, {33, 31, 17},
}

// BenchmarkSgemm alternates this package with gonum's assembly, with one and two workers each, and reports both rates
// and their ratio.
func BenchmarkSgemm(b *testing.B) {
	benchmarkGemm(b, func(tA, tB blas.Transpose, m, n, k int, x, y, c []float32, lda, ldb int) {
		gonum.Implementation{}.Sgemm(tA, tB, m, n, k, 1, x, lda, y, ldb, 0, c, n)
	})
}

// BenchmarkDgemm is BenchmarkSgemm in float64.
func BenchmarkDgemm(b *testing.B) {
	benchmarkGemm(b, func(tA, tB blas.Transpose, m, n, k int, x, y, c []float64, lda, ldb int) {
		gonum.Implementation{}.Dgemm(tA, tB, m, n, k, 1, x, lda, y, ldb, 0, c, n)
	})
}

func benchmarkGemm[T float32 | float64](b *testing.B, peer func(tA, tB blas.Transpose, m, n, k int, x, y, c []T, lda, ldb int)) {
	best, err := native.Detect()
	require.NoError(b, err)
	testLevel = best.Level
	defer func() { testLevel = native.Portable }()
	for _, s := range benchShapes {
		for _, orientation := range []string{"NN", "NT", "TN"} {
			for workers := 1; workers <= 2; workers++ {
				b.Run(fmt.Sprintf("%dx%dx%d/%s/workers=%d", s[0], s[1], s[2], orientation, workers), func(b *testing.B) {
					defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(workers))
					m, n, k := s[0], s[1], s[2]
					x, y, c := ramp[T](m*k), ramp[T](n*k), make([]T, m*n)
					g := &Product[T]{Plan: mustPlan[T](m, n, k), C: c, LDC: n}
					lda, ldb, tA, tB := k, n, blas.NoTrans, blas.NoTrans
					a, bb := &Strided[T]{Data: x, Stride: k, KStride: 1}, &Strided[T]{Data: y, Stride: 1, KStride: n}
					if orientation == "NT" {
						bb.Stride, bb.KStride, ldb, tB = k, 1, k, blas.Trans
					}
					if orientation == "TN" {
						a.Stride, a.KStride, lda, tA = 1, m, m, blas.Trans
					}
					g.A, g.B = a, bb
					pool := newSpinPool(g, workers)
					batch := 1 + 2_000_000/(m*n*k) // long enough to hide the start of the workers
					var ours, theirs time.Duration
					for b.Loop() {
						pool.start()
						pool.run()
						t := time.Now()
						for range batch {
							pool.run()
						}
						ours += time.Since(t)
						pool.stop()
						t = time.Now()
						for range batch {
							peer(tA, tB, m, n, k, x, y, c, lda, ldb)
						}
						theirs += time.Since(t)
					}
					flops := 2 * float64(m) * float64(n) * float64(k) * float64(b.N) * float64(batch)
					b.ReportMetric(flops/float64(ours.Nanoseconds()), "GFLOP/s")
					b.ReportMetric(flops/float64(theirs.Nanoseconds()), "gonum-GFLOP/s")
					b.ReportMetric(float64(theirs)/float64(ours), "ratio")
				})
			}
		}
	}
}

func ramp[T float32 | float64](n int) []T {
	x := make([]T, n)
	for i := range x {
		x[i] = T(i%13)/8 + 0.25
	}
	return x
}

// spinPool runs one product with spinning workers that claim tasks by a counter.
type spinPool[T Element] struct {
	product *Product[T]
	shared  []T
	scratch [][]T        // one per worker
	phase   atomic.Int64 // counts phases begun; -1: stopped
	next    atomic.Int64 // the next task
	left    atomic.Int64 // workers still in the phase
	done    sync.WaitGroup
}

func newSpinPool[T Element](g *Product[T], workers int) *spinPool[T] {
	p := &spinPool[T]{product: g, shared: make([]T, g.Plan.SharedLen())}
	for range workers {
		p.scratch = append(p.scratch, make([]T, g.Plan.ScratchLen()))
	}
	return p
}

func (p *spinPool[T]) start() {
	p.phase.Store(0)
	for w := 1; w < len(p.scratch); w++ {
		p.done.Go(func() {
			for seen := int64(0); seen >= 0; {
				now := p.phase.Load()
				if now > seen {
					p.work(w, now)
					p.left.Add(-1)
				}
				seen = now
			}
		})
	}
}

func (p *spinPool[T]) stop() {
	p.phase.Store(-1)
	p.done.Wait()
}

func (p *spinPool[T]) work(w int, phase int64) {
	pack, tasks := phase%2 == 1, p.product.Plan.Tasks()
	if pack {
		tasks = p.product.Plan.PackTasks()
	}
	for i := int(p.next.Add(1)) - 1; i < tasks; i = int(p.next.Add(1)) - 1 {
		if pack {
			p.product.Pack(i, p.shared)
		} else {
			p.product.Run(i, p.shared, p.scratch[w])
		}
	}
}

func (p *spinPool[T]) run() {
	for range 2 {
		p.next.Store(0)
		p.left.Store(int64(len(p.scratch) - 1))
		p.work(0, p.phase.Add(1))
		for p.left.Load() > 0 {
		}
	}
}
