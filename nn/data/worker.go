package data

import "fmt"

// order is the samples' order in one epoch, kept until another is asked for.
type order struct {
	perm  []int
	epoch int
}

// of returns the order of an epoch.
func (p *order) of(epoch int, o *Options) []int {
	switch {
	case p.epoch == epoch:
	case o.Shuffle:
		Shuffle(p.perm, o.Seed, epoch)
	case p.epoch < 0:
		for i := range p.perm {
			p.perm[i] = i
		}
	}
	p.epoch = epoch
	return p.perm
}

// worker fills batches. Every batch is in one place: the free channel, the
// worker, the ready channel, or the loader's held. Both channels have room for
// the whole ring, so that sending never waits.
type worker struct {
	free, ready chan *Batch
	quit        chan struct{} // closed by the loader: stop
	done        chan struct{} // closed by the worker: has stopped
}

// run fills batches from p on, until it is told to stop or a sample fails.
func (w *worker) run(l *Loader, p Position) {
	defer close(w.done)
	for {
		if p.Batch == l.per {
			p = Position{Epoch: p.Epoch + 1}
		}
		select {
		case <-w.quit:
			return
		case <-l.quit:
			return
		case b := <-w.free:
			if !w.fill(l, b, p) {
				return
			}
			failed := b.err != nil
			w.ready <- b
			if failed {
				return
			}
		}
		p.Batch++
	}
}

// fill reads the samples of the batch at p; it returns false if it was told to
// stop meanwhile.
func (w *worker) fill(l *Loader, b *Batch, p Position) bool {
	samples := l.order.of(p.Epoch, &l.o)[p.Batch*l.o.Batch:]
	b.Position, b.err = p, nil
	b.Len, b.Tensors = l.o.Batch, b.full
	if len(samples) < l.o.Batch {
		b.Len, b.Tensors = len(samples), b.tail
	}
	for row, i := range samples[:b.Len] {
		select {
		case <-w.quit:
			return false
		case <-l.quit:
			return false
		default:
		}
		if err := l.ds.Read(i, b.Tensors, row); err != nil {
			b.err = fmt.Errorf("data: sample %d (epoch %d, batch %d): %w", i, p.Epoch, p.Batch, err)
			return true
		}
	}
	return true
}
