package session

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"

	"dumbtorch/passes"
)

// DefaultPrograms is how many programs a step keeps, one per binding of its named dimensions; the least recently used is
// given up. [WithPrograms] changes it.
const DefaultPrograms = 8

// An Option changes a session; see the With functions.
type Option func(*config)

type config struct {
	seed        uint64
	programs    int
	log         *slog.Logger
	passes      passes.Config
	memoryLimit int64
	compile     compiler
	err         error
}

func defaultConfig() config {
	return config{programs: DefaultPrograms, log: slog.New(slog.DiscardHandler)}
}

// WithSeed sets the seed from which variables are initialised, together with their names. The default is 0.
func WithSeed(seed uint64) Option { return func(c *config) { c.seed = seed } }

// WithPrograms sets how many programs each step keeps, at least 1; see [DefaultPrograms].
func WithPrograms(n int) Option { return func(c *config) { c.programs = max(1, n) } }

// WithLogger sets where every compilation and every program given up is reported, at level Info. The default is nowhere.
func WithLogger(l *slog.Logger) Option {
	return func(c *config) {
		if l != nil {
			c.log = l
		}
	}
}

// WithMemoryLimit sets the most bytes that one run of a step may need: variables, arena, feeds and results together. The
// default, 0, is what the device says that it has.
func WithMemoryLimit(bytes int64) Option { return func(c *config) { c.memoryLimit = bytes } }

// WithDebug sets how graphs are compiled in the words of [passes.ParseDebug]: "check,time,fuse/off,nan". Without it and
// without [WithPasses] the settings are those of the environment variable DTC when the session is made; of several options
// the last one counts.
func WithDebug(settings string) Option {
	return func(s *config) {
		var c passes.Config
		if err := passes.ParseDebug(settings, &c); err != nil {
			s.err = err
			return
		}
		WithPasses(c)(s)
	}
}

// fromEnvironment applies the settings of the environment.
func fromEnvironment(s *config) {
	if settings := os.Getenv(passes.DebugVariable); settings != "" {
		WithDebug(settings)(s)
		if s.err != nil {
			s.err = fmt.Errorf("environment variable %s: %w", passes.DebugVariable, s.err)
		}
	}
}

// WithPasses sets how graphs are compiled: passes and switches left out, checks, shuffled orders, dumps, times, and whether
// steps look for the first NaN; see [WithDebug]. The target is that of the session's device, whatever c says. Dump and Log
// are called by one goroutine at a time.
func WithPasses(c passes.Config) Option {
	return func(s *config) {
		var mu sync.Mutex
		if dump := c.Dump; dump != nil {
			c.Dump = func(pass, text string) {
				mu.Lock()
				defer mu.Unlock()
				dump(pass, text)
			}
		}
		if c.Log != nil {
			c.Log = &lockedWriter{mu: &mu, w: c.Log}
		}
		s.passes, s.err = c, nil
	}
}

// lockedWriter is a writer for many goroutines.
type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

// Write writes all of p before another call writes.
func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
