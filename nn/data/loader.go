package data

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"

	"dumbtorch/runtime/tensor"
)

// ErrClosed is the error of a [Loader] after Close.
var ErrClosed = errors.New("data: the loader is closed")

// maxPrefetch bounds Options.Prefetch: more buffers than that are a mistake.
const maxPrefetch = 1 << 10

// Options says how a [Loader] makes batches.
type Options struct {
	// Batch is the number of samples of a batch, at least 1.
	Batch int
	// Shuffle orders the samples of each epoch by [Shuffle]; without it they
	// come by index.
	Shuffle bool
	// Seed is the seed of the shuffle.
	Seed uint64
	// DropLast leaves out the last batch of an epoch where it has fewer than
	// Batch samples.
	DropLast bool
	// Prefetch is how many batches may lie ready ahead of the one in use; 0
	// means 2. The loader holds Prefetch+1 batches in memory.
	Prefetch int
	// Start is where to begin: the position of a run that is resumed.
	Start Position
}

// Position is a place in the endless sequence of batches.
type Position struct {
	// Epoch counts passes over the data set, from 0.
	Epoch int
	// Batch counts batches within the epoch, from 0.
	Batch int
}

// Batch is some samples, one per row of each tensor. It belongs to the loader:
// it is valid until the next call of the loader's Next, Seek or Close, or the
// next turn or the end of the loop over Epoch.
type Batch struct {
	// Position is the place of this batch.
	Position Position
	// Len is the number of samples.
	Len int
	// Fields are the fields of the data set, without the batch dimension.
	Fields []Field
	// Tensors holds one tensor for each field, [Len, ...].
	Tensors []*tensor.Tensor

	full, tail []*tensor.Tensor
	err        error
}

// Tensor returns the tensor of the named field, or nil if there is none.
func (b *Batch) Tensor(name string) *tensor.Tensor {
	for k := range b.Fields {
		if b.Fields[k].Name == name {
			return b.Tensors[k]
		}
	}
	return nil
}

// Loader makes batches of a data set. A goroutine fills them ahead of their use
// into tensors that are reused: after the first few, a batch allocates nothing
// (if the data set's Read does not).
//
// One goroutine at a time uses a loader; only Close may be called from another.
type Loader struct {
	ds    Dataset
	o     Options
	per   int // batches of an epoch
	order *order
	ring  []*Batch

	quit     chan struct{} // closed by Close
	quitOnce sync.Once

	mu   sync.Mutex // held by every method; Close closes quit before it waits
	pos  Position   // of the next batch that Next hands out
	held *Batch     // what Next handed out last
	w    *worker
}

// NewLoader returns a loader of ds; it starts no goroutine before the first
// batch is asked for. The error is that of options outside their range, or of
// a data set that gives no batch at all.
func NewLoader(ds Dataset, o Options) (*Loader, error) {
	if ds == nil {
		return nil, errNoData
	}
	n := ds.Len()
	if o.Batch < 1 {
		return nil, fmt.Errorf("data: the batch size is %d, it must be at least 1", o.Batch)
	}
	if o.Prefetch < 0 || o.Prefetch > maxPrefetch {
		return nil, fmt.Errorf("data: Prefetch is %d, it must be from 0 to %d", o.Prefetch, maxPrefetch)
	}
	if o.Prefetch == 0 {
		o.Prefetch = 2
	}
	if n == 0 {
		return nil, errors.New("data: the data set is empty")
	}
	l := &Loader{ds: ds, o: o, per: n / o.Batch, quit: make(chan struct{})}
	if n%o.Batch != 0 && !o.DropLast {
		l.per++
	}
	if l.per == 0 {
		return nil, fmt.Errorf("data: the data set has %d samples, fewer than a batch of %d, and DropLast leaves them out", n, o.Batch)
	}
	if err := l.checkPosition(o.Start); err != nil {
		return nil, err
	}
	l.pos = o.Start
	l.order = &order{perm: make([]int, n), epoch: -1}
	for range o.Prefetch + 1 {
		b, err := l.newBatch()
		if err != nil {
			return nil, err
		}
		l.ring = append(l.ring, b)
	}
	return l, nil
}

// newBatch allocates the tensors of a batch, full and last.
func (l *Loader) newBatch() (*Batch, error) {
	b := &Batch{Fields: l.ds.Fields()}
	for _, f := range b.Fields {
		if n := l.ds.Len(); n >= l.o.Batch {
			t, err := tensor.New(f.batched(l.o.Batch))
			if err != nil {
				return nil, fmt.Errorf("data: a batch of field %q: %w", f.Name, err)
			}
			b.full = append(b.full, t)
		}
		if n := l.ds.Len() % l.o.Batch; n > 0 && !l.o.DropLast {
			t, err := tensor.New(f.batched(n))
			if err != nil {
				return nil, fmt.Errorf("data: a batch of field %q: %w", f.Name, err)
			}
			b.tail = append(b.tail, t)
		}
	}
	return b, nil
}

func (l *Loader) checkPosition(p Position) error {
	if p.Epoch < 0 || p.Batch < 0 || p.Batch > l.per {
		return fmt.Errorf("data: no position epoch %d, batch %d: an epoch of %d samples has %d batches of %d", p.Epoch, p.Batch, l.ds.Len(), l.per, l.o.Batch)
	}
	return nil
}

// Batches returns the number of batches of an epoch.
func (l *Loader) Batches() int { return l.per }

// Samples returns the number of samples of the data set.
func (l *Loader) Samples() int { return l.ds.Len() }

// Options returns how the loader makes batches, with what was left to it filled
// in.
func (l *Loader) Options() Options { return l.o }

// Position returns the place of the batch that Next hands out next. Saved once
// the current batch has been used, it is where a resumed run starts.
func (l *Loader) Position() Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pos
}

// Seek makes p the place of the next batch. The error is that of a place that
// does not exist, or [ErrClosed].
func (l *Loader) Seek(p Position) error {
	if err := l.checkPosition(p); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isClosed() {
		return ErrClosed
	}
	l.stop()
	l.pos = p
	return nil
}

// Next returns the next batch. At the end of an epoch it returns io.EOF once,
// and the call after that begins the next epoch.
//
// Other errors are those of ctx, of the data set, and [ErrClosed]. None of them
// moves the position: a later Next tries the same batch again.
func (l *Loader) Next(ctx context.Context) (*Batch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isClosed() {
		return nil, ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if l.held != nil {
		l.w.free <- l.held
		l.held = nil
	}
	if l.pos.Batch == l.per {
		l.pos = Position{Epoch: l.pos.Epoch + 1}
		return nil, io.EOF
	}
	if l.w == nil {
		l.start()
	}
	select {
	case b := <-l.w.ready:
		if b.err != nil {
			l.stop()
			return nil, b.err
		}
		l.held = b
		l.pos.Batch++
		return b, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.quit:
		return nil, ErrClosed
	}
}

// Epoch ranges over what is left of the current epoch. When the loop ends, by
// whatever way, no goroutine is left behind; after a full loop the position is
// the beginning of the next epoch, after a break it is the batch that follows.
// An error is the last thing the loop sees; it is one of [Loader.Next].
func (l *Loader) Epoch(ctx context.Context) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		defer func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.stop()
		}()
		for {
			b, err := l.Next(ctx)
			if err == io.EOF {
				return
			}
			if !yield(b, err) || err != nil {
				return
			}
		}
	}
}

// Close ends the prefetching and waits for it (a data set's Read that has begun
// is waited for). A Next that is waiting returns [ErrClosed], as every later one
// does. Closing twice is fine.
func (l *Loader) Close() error {
	l.quitOnce.Do(func() { close(l.quit) })
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stop()
	return nil
}

func (l *Loader) isClosed() bool {
	select {
	case <-l.quit:
		return true
	default:
		return false
	}
}

// start begins prefetching at the current position.
func (l *Loader) start() {
	l.w = &worker{
		free:  make(chan *Batch, len(l.ring)),
		ready: make(chan *Batch, len(l.ring)),
		quit:  make(chan struct{}),
		done:  make(chan struct{}),
	}
	for _, b := range l.ring {
		l.w.free <- b
	}
	go l.w.run(l, l.pos)
}

// stop ends the prefetching, if any, and takes the handed-out batch back.
func (l *Loader) stop() {
	l.held = nil
	if l.w == nil {
		return
	}
	close(l.w.quit)
	<-l.w.done
	l.w = nil
}
