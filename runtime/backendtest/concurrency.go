package backendtest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/types"
)

// testConcurrency runs one executable from many goroutines, each with buffers
// and values of its own, while other programs are compiled and run.
func testConcurrency(t *testing.T, s *suite) {
	const runners, runs = 6, 5
	program := func(seed uint64) *draft {
		d := newDraft()
		x := d.input(whole(types.F32, 40*30, seed))
		y, z := d.temp(types.F32, 1200), d.temp(types.F32, 1200)
		d.launch(double(1200), x, y)
		p := newProduct(nil, []int{40}, []int{40}, []int{30})
		in := p.in(types.F32, 1200)
		p.write(p.of(p.load(in, p.at(p.m[0], p.k[0])), p.load(in, p.at(p.n[0], p.k[0]))), p.result()...)
		square := d.temp(types.F32, 1600)
		d.launch(p.kernel(), y, square)
		d.launch(columnSums(40, 40), square, square, d.output(types.F32, 40), d.output(types.F32, 40), d.output(types.F32, 40), d.output(types.F32, 1600))
		d.launch(statistics(types.F32, 40, 30), x, y, z, d.output(types.F32, 40), d.output(types.F32, 30), d.output(types.F32, 30), d.output(types.F32, 1), d.output(types.F32, 1))
		d.launch(double(1200), z, d.output(types.F32, 1200))
		c := tiling{d: types.F32, batch: 6, rows: 20, cols: 40, points: 10, splits: 2}
		top, values := d.temp(types.F32, 120), d.temp(types.F32, 1200)
		d.launch(c.kernel(), y, d.input(whole(types.F32, 2400, seed+9)), top, values, d.output(types.Bool, 4800), d.output(types.F32, 2400))
		d.launch(double(120), top, d.output(types.F32, 120))
		d.launch(double(1200), values, d.output(types.F32, 1200))
		return d
	}
	shared, err := s.dev.Compile(program(0).p)
	require.NoError(t, err)
	var wg sync.WaitGroup
	errs := make(chan error, 2*runners)
	for g := range runners {
		d := program(uint64(g))
		want := reference(t, d)
		w, err := setUp(s.dev, d)
		require.NoError(t, err)
		require.NoError(t, w.exe.Close())
		w.exe = shared
		wg.Go(func() {
			for range runs {
				if err := runAndCompare(w, want); err != nil {
					errs <- fmt.Errorf("runner %d: %w", g, err)
					return
				}
			}
		})
		wg.Go(func() {
			got, err := runOn(s.dev, d)
			for n := range got {
				if err == nil {
					err = Exact.compare(got[n], want[n])
				}
			}
			if err != nil {
				errs <- fmt.Errorf("compiling beside runs: %w", err)
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
	require.NoError(t, shared.Close())
}

func runAndCompare(w *world, want results) error {
	if err := w.run(); err != nil {
		return err
	}
	got, err := w.results()
	if err != nil {
		return err
	}
	for n := range want {
		if err := Exact.compare(got[n], want[n]); err != nil {
			return err
		}
	}
	return nil
}
