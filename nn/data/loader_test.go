package data

import (
	"context"
	"errors"
	"io"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"dumbtorch/runtime/tensor"
)

func newLoader(t require.TestingT, d Dataset, o Options) *Loader {
	l, err := NewLoader(d, o)
	require.NoError(t, err)
	return l
}

// ids returns the samples of a batch after checking that its fields agree.
func ids(t require.TestingT, b *Batch) []int {
	require.Equal(t, b.Len, b.Tensor("x").Shape()[0])
	require.Equal(t, b.Len, b.Tensor("id").Shape()[0])
	x := values[float32](t, b.Tensor("x"))
	var out []int
	for r, id := range values[int64](t, b.Tensor("id")) {
		require.Equal(t, []float32{float32(id), float32(-id)}, x[2*r:2*r+2])
		out = append(out, int(id))
	}
	return out
}

// epoch reads what is left of an epoch.
func epoch(t require.TestingT, l *Loader) (batches [][]int) {
	for b, err := range l.Epoch(context.Background()) {
		require.NoError(t, err)
		batches = append(batches, ids(t, b))
	}
	return batches
}

func TestLoaderInOrder(t *testing.T) {
	d := counting(t, 5)
	l := newLoader(t, d, Options{Batch: 2})
	require.Equal(t, 3, l.Batches())
	for range 3 {
		require.Equal(t, [][]int{{0, 1}, {2, 3}, {4}}, epoch(t, l))
	}
	require.Equal(t, Position{Epoch: 3}, l.Position())
	l = newLoader(t, d, Options{Batch: 2, DropLast: true})
	require.Equal(t, 2, l.Batches())
	require.Equal(t, [][]int{{0, 1}, {2, 3}}, epoch(t, l))
	l = newLoader(t, d, Options{Batch: 9})
	require.Equal(t, [][]int{{0, 1, 2, 3, 4}}, epoch(t, l))
}

func TestLoaderShuffle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 30).Draw(t, "n")
		o := Options{
			Batch:    rapid.IntRange(1, n).Draw(t, "batch"),
			Shuffle:  true,
			Seed:     rapid.Uint64().Draw(t, "seed"),
			DropLast: rapid.Bool().Draw(t, "drop last"),
			Prefetch: rapid.IntRange(0, 4).Draw(t, "prefetch"),
		}
		l := newLoader(t, counting(t, n), o)
		want := make([]int, n)
		for e := range 3 {
			Shuffle(want, o.Seed, e)
			keep := n
			if o.DropLast {
				keep -= n % o.Batch
			}
			require.Equal(t, want[:keep], slices.Concat(epoch(t, l)...))
		}
	})
}

func TestEpochsDiffer(t *testing.T) {
	l := newLoader(t, counting(t, 20), Options{Batch: 20, Shuffle: true})
	require.NotEqual(t, epoch(t, l), epoch(t, l))
}

// A loader started at the position of another one goes on as that one does.
func TestResume(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := Options{Batch: rapid.IntRange(1, 5).Draw(t, "batch"), Shuffle: true, Seed: 3}
		d := counting(t, 11)
		a := newLoader(t, d, o)
		defer a.Close()
		for range rapid.IntRange(0, 20).Draw(t, "steps") {
			_, err := a.Next(context.Background())
			require.True(t, err == nil || err == io.EOF)
		}
		o.Start = a.Position()
		b := newLoader(t, d, o)
		c := newLoader(t, d, Options{Batch: o.Batch, Shuffle: true, Seed: 3})
		epoch(t, c)
		require.NoError(t, c.Seek(o.Start))
		for range 3 {
			want := epoch(t, a)
			require.Equal(t, want, epoch(t, b))
			require.Equal(t, want, epoch(t, c))
			require.Equal(t, a.Position(), b.Position())
		}
	})
}

func TestNext(t *testing.T) {
	ctx := context.Background()
	l := newLoader(t, counting(t, 3), Options{Batch: 2})
	defer l.Close()
	for e := range 2 {
		for i, want := range [][]int{{0, 1}, {2}} {
			require.Equal(t, Position{e, i}, l.Position())
			b, err := l.Next(ctx)
			require.NoError(t, err)
			require.Equal(t, Position{e, i}, b.Position)
			require.Equal(t, want, ids(t, b))
			require.Nil(t, b.Tensor("y"))
		}
		_, err := l.Next(ctx)
		require.Equal(t, io.EOF, err)
	}
}

// eventually waits until ok, on the test's own goroutine.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		require.True(t, time.Now().Before(deadline), "it never comes about")
	}
}

// settle fails unless the number of goroutines comes back to want.
func settle(t *testing.T, want int) {
	t.Helper()
	eventually(t, func() bool { return runtime.NumGoroutine() <= want })
}

func TestEarlyBreaksLeaveNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	l := newLoader(t, counting(t, 100), Options{Batch: 3, Prefetch: 5})
	for i := range 300 {
		at := l.Position()
		for b, err := range l.Epoch(context.Background()) {
			require.NoError(t, err)
			require.Equal(t, at, b.Position)
			require.Equal(t, 3*at.Batch, ids(t, b)[0])
			at.Batch++
			if at.Batch%(i%7+1) == 0 {
				break
			}
		}
		require.Nil(t, l.w)
	}
	settle(t, before)
}

func TestPanicInLoopLeavesNoGoroutine(t *testing.T) {
	l := newLoader(t, counting(t, 100), Options{Batch: 3})
	require.PanicsWithValue(t, "user", func() {
		for range l.Epoch(context.Background()) {
			panic("user")
		}
	})
	require.Nil(t, l.w)
	require.NoError(t, l.Close())
}

func TestClose(t *testing.T) {
	before := runtime.NumGoroutine()
	l := newLoader(t, counting(t, 100), Options{Batch: 3})
	_, err := l.Next(context.Background())
	require.NoError(t, err)
	require.NoError(t, l.Close())
	require.NoError(t, l.Close())
	settle(t, before)
	_, err = l.Next(context.Background())
	require.Equal(t, ErrClosed, err)
	require.Equal(t, ErrClosed, l.Seek(Position{}))
	for b, err := range l.Epoch(context.Background()) {
		require.Nil(t, b)
		require.Equal(t, ErrClosed, err)
	}
}

// gated is a data set whose Read waits for a token.
type gated struct {
	Dataset
	tokens  chan struct{}
	reading atomic.Int64
}

func (g *gated) Read(i int, dst []*tensor.Tensor, row int) error {
	g.reading.Add(1)
	<-g.tokens
	return g.Dataset.Read(i, dst, row)
}

func TestCloseWhileNextWaits(t *testing.T) {
	g := &gated{Dataset: counting(t, 10), tokens: make(chan struct{})}
	l := newLoader(t, g, Options{Batch: 2})
	got := make(chan error)
	go func() {
		_, err := l.Next(context.Background())
		got <- err
	}()
	eventually(t, func() bool { return g.reading.Load() == 1 })
	closed := make(chan error)
	go func() { closed <- l.Close() }()
	require.Equal(t, ErrClosed, <-got, "Next does not wait for the data set")
	g.tokens <- struct{}{}
	require.NoError(t, <-closed)
	require.EqualValues(t, 1, g.reading.Load(), "Close stops between samples")
}

func TestCancel(t *testing.T) {
	g := &gated{Dataset: counting(t, 4), tokens: make(chan struct{})}
	l := newLoader(t, g, Options{Batch: 2})
	defer l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	got := make(chan error)
	go func() {
		_, err := l.Next(ctx)
		got <- err
	}()
	eventually(t, func() bool { return g.reading.Load() == 1 })
	cancel()
	require.Equal(t, context.Canceled, <-got)
	require.Equal(t, Position{}, l.Position())
	close(g.tokens)
	b, err := l.Next(context.Background())
	require.NoError(t, err)
	require.Equal(t, []int{0, 1}, ids(t, b), "the batch is not lost")
	_, err = l.Next(ctx)
	require.Equal(t, context.Canceled, err)
	for _, err := range l.Epoch(ctx) {
		require.Equal(t, context.Canceled, err)
	}
	require.Equal(t, [][]int{{2, 3}}, epoch(t, l))
}

// failing is a data set where sample bad fails while broken is true.
type failing struct {
	Dataset
	bad    int
	broken atomic.Bool
}

var errBad = errors.New("disk on fire")

func (f *failing) Read(i int, dst []*tensor.Tensor, row int) error {
	if i == f.bad && f.broken.Load() {
		return errBad
	}
	return f.Dataset.Read(i, dst, row)
}

func TestReadError(t *testing.T) {
	before := runtime.NumGoroutine()
	f := &failing{Dataset: counting(t, 8), bad: 5}
	f.broken.Store(true)
	l := newLoader(t, f, Options{Batch: 2})
	var good int
	for b, err := range l.Epoch(context.Background()) {
		if err != nil {
			require.Nil(t, b)
			require.ErrorIs(t, err, errBad)
			require.EqualError(t, err, "data: sample 5 (epoch 0, batch 2): disk on fire")
			break
		}
		good++
	}
	require.Equal(t, 2, good, "the batches before it are delivered")
	_, err := l.Next(context.Background())
	require.ErrorIs(t, err, errBad, "it stays at the batch")
	settle(t, before)
	f.broken.Store(false)
	require.Equal(t, [][]int{{4, 5}, {6, 7}}, epoch(t, l), "and goes on when the batch can be read")
}

func TestLoaderErrors(t *testing.T) {
	for _, c := range []struct {
		n    int
		o    Options
		want string
	}{
		{3, Options{}, "data: the batch size is 0, it must be at least 1"},
		{3, Options{Batch: -2}, "data: the batch size is -2, it must be at least 1"},
		{3, Options{Batch: 1, Prefetch: -1}, "data: Prefetch is -1, it must be from 0 to 1024"},
		{3, Options{Batch: 1, Prefetch: 5000}, "data: Prefetch is 5000, it must be from 0 to 1024"},
		{0, Options{Batch: 1}, "data: the data set is empty"},
		{3, Options{Batch: 4, DropLast: true}, "data: the data set has 3 samples, fewer than a batch of 4, and DropLast leaves them out"},
		{3, Options{Batch: 2, Start: Position{0, 3}}, "data: no position epoch 0, batch 3: an epoch of 3 samples has 2 batches of 2"},
		{3, Options{Batch: 2, Start: Position{-1, 0}}, "data: no position epoch -1, batch 0: an epoch of 3 samples has 2 batches of 2"},
	} {
		_, err := NewLoader(counting(t, c.n), c.o)
		require.EqualError(t, err, c.want)
	}
	l := newLoader(t, counting(t, 3), Options{Batch: 2})
	require.EqualError(t, l.Seek(Position{1, 7}), "data: no position epoch 1, batch 7: an epoch of 3 samples has 2 batches of 2")
}

// A batch size far beyond the data set costs no memory.
func TestHugeBatch(t *testing.T) {
	l := newLoader(t, counting(t, 3), Options{Batch: 1 << 40})
	require.Equal(t, [][]int{{0, 1, 2}}, epoch(t, l))
}

func TestNoAllocationPerBatch(t *testing.T) {
	split, _, err := Split(counting(t, 1000), 700, 1)
	require.NoError(t, err)
	pixels := from(t, make([]uint8, 700*16), 700, 4, 4)
	images, err := NewImages(pixels, from(t, make([]int32, 700), 700), 1)
	require.NoError(t, err)
	for _, d := range []Dataset{counting(t, 700), split, images} {
		ctx := context.Background()
		l := newLoader(t, d, Options{Batch: 32, Shuffle: true})
		next := func() {
			if _, err := l.Next(ctx); err != nil && err != io.EOF {
				t.Error(err)
			}
		}
		for range 50 {
			next()
		}
		require.Zero(t, testing.AllocsPerRun(200, next), "%T", d)
		require.NoError(t, l.Close())
	}
}

func BenchmarkLoader(b *testing.B) {
	pixels := from(b, make([]uint8, 10000*784), 10000, 28, 28)
	d, err := NewImages(pixels, from(b, make([]int32, 10000), 10000), 1)
	require.NoError(b, err)
	l := newLoader(b, d, Options{Batch: 128, Shuffle: true, DropLast: true})
	defer l.Close()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.Next(context.Background()); err != nil && err != io.EOF {
			b.Fatal(err)
		}
	}
}
