package session

import (
	"log/slog"

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
// default is what the device says that it has; 0 means no limit.
func WithMemoryLimit(bytes int64) Option { return func(c *config) { c.memoryLimit = bytes } }
