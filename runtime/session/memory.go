package session

import (
	"fmt"
	"strings"

	"dumbtorch/ir/kernel"
)

// A MemoryReport tells what memory one run of a step needs on the device, in bytes.
type MemoryReport struct {
	Arena      int64 // temporaries: the peak of the memory plan
	Unshared   int64 // temporaries, if each had memory of its own
	LowerBound int64 // the largest set of temporaries alive at once
	Variables  int64 // all of the session's, resident
	Feeds      int64
	Results    int64
	Constants  int64
}

// Total returns the memory that is in use during a run. Each further run at the same time adds arena, feeds and results.
func (m MemoryReport) Total() int64 {
	return m.Arena + m.Variables + m.Feeds + m.Results + m.Constants
}

// String returns the report in lines.
func (m MemoryReport) String() string {
	var b strings.Builder
	line := func(what string, n int64, note string) { fmt.Fprintf(&b, "%-10s %12s%s\n", what, formatBytes(n), note) }
	line("arena", m.Arena, fmt.Sprintf("  (lower bound %s, without reuse %s)", formatBytes(m.LowerBound), formatBytes(m.Unshared)))
	line("variables", m.Variables, "")
	line("feeds", m.Feeds, "")
	line("results", m.Results, "")
	line("constants", m.Constants, "")
	line("total", m.Total(), "")
	return b.String()
}

// report adds up the program's buffers; checkMemory adds the variables.
func (p *program) report() MemoryReport {
	m := MemoryReport{Arena: p.code.Program.ArenaSize, Unshared: p.code.Memory.Sum, LowerBound: p.code.Memory.LowerBound}
	for i := range p.code.Program.Buffers {
		switch b := &p.code.Program.Buffers[i]; b.Kind {
		case kernel.InputBuffer:
			m.Feeds += b.Bytes()
		case kernel.OutputBuffer:
			m.Results += b.Bytes()
		case kernel.ConstBuffer:
			m.Constants += b.Bytes()
		}
	}
	return m
}

// limiter is a device that knows how much memory it has.
type limiter interface{ MemoryLimit() int64 }

// limit returns the bytes that there are, or 0.
func (s *Session) limit() int64 {
	if s.cfg.memoryLimit > 0 {
		return s.cfg.memoryLimit
	}
	if l, ok := s.dev.(limiter); ok {
		return l.MemoryLimit()
	}
	return 0
}

// variableBytes returns the memory of all variables.
func (s *Session) variableBytes() int64 {
	var n int64
	for _, v := range s.all() {
		n += v.typ.Bytes()
	}
	return n
}

// checkMemory returns an error that announces what a run needs, if there is not that much.
func (st *Step) checkMemory(m *MemoryReport) error {
	m.Variables = st.s.variableBytes() + st.newBytes
	limit := st.s.limit()
	if limit <= 0 || m.Total() <= limit {
		return nil
	}
	return &tagged{ErrMemoryLimit, fmt.Sprintf("a run needs %s on device %s, which has %s: arena %s, variables %s, feeds %s, results %s, constants %s",
		formatBytes(m.Total()), st.s.dev.Name(), formatBytes(limit), formatBytes(m.Arena), formatBytes(m.Variables), formatBytes(m.Feeds),
		formatBytes(m.Results), formatBytes(m.Constants))}
}

// formatBytes returns a size with a binary unit: "1.5 GiB".
func formatBytes(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d bytes", n)
	}
	x, unit := float64(n)/(1<<10), 0
	for x >= 1<<10 {
		x /= 1 << 10
		unit++
	}
	return fmt.Sprintf("%.1f %ciB", x, "KMGTPE"[unit])
}
