package session_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/runtime/device"
	"dumbtorch/runtime/session"
)

// TestEverythingAtOnce calls everything from many goroutines, in random order, while steps and at last the session are
// closed: nothing may panic, hang or race, and the only errors are those of what was closed or released.
func TestEverythingAtOnce(t *testing.T) {
	onDevices(t, func(t *testing.T, dev device.Device) {
		s := session.New(dev, session.WithPrograms(2))
		c := &chaos{T: t, s: s, m: newMLP(), path: filepath.Join(t.TempDir(), "w.npz")}
		var err error
		c.train, err = s.Compile(c.m.train(t))
		require.NoError(t, err)
		require.NoError(t, s.Save(c.path))
		var first, all sync.WaitGroup
		for worker := range uint64(6) {
			run := func() {
				r := rand.New(rand.NewPCG(worker, 5))
				for range 60 {
					if err := c.act(r); err != nil && !errors.Is(err, session.ErrClosed) && !errors.Is(err, session.ErrReleased) && !errors.Is(err, context.Canceled) {
						t.Error(err)
						return
					}
				}
			}
			if worker == 0 {
				first.Go(run)
			} else {
				all.Go(run)
			}
		}
		first.Wait() // the others are still at work
		require.NoError(t, s.Close())
		all.Wait()
		c.results.Release()
		_, err = s.State()
		require.ErrorIs(t, err, session.ErrClosed)
	})
}

type chaos struct {
	*testing.T
	s       *session.Session
	m       *mlp
	train   *session.Step
	results session.Results // that all fill, read and release
	path    string
}

// act does one thing.
func (c *chaos) act(r *rand.Rand) error {
	batch := 1 + r.IntN(4)
	switch r.IntN(10) {
	case 0:
		eval, err := c.s.Compile(c.m.eval(c))
		if err != nil {
			return err
		}
		_, err = eval.Run(context.Background(), points(c, batch, 1)) // the results are left to Close
		return errors.Join(err, eval.Close())
	case 1:
		_, err := c.s.State()
		return err
	case 2:
		v, err := c.s.Get("fc1.bias")
		if err != nil {
			return err
		}
		return c.s.Set("fc1.bias", v)
	case 3:
		return c.s.Load(c.path)
	case 4:
		c.results.Release()
		return nil
	case 5:
		_, err := c.results.Scalar("loss")
		return err
	case 6:
		_, err := c.train.Memory(session.Binding{"batch": batch})
		return err
	case 7:
		ctx := newPatient(context.Background(), r.IntN(6))
		defer ctx.cancel()
		_, err := c.train.Run(ctx, points(c, batch, 2))
		return err
	default:
		return c.train.RunInto(context.Background(), points(c, batch, uint64(batch)), &c.results)
	}
}
