package session

import (
	"cmp"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"dumbtorch/ir/kernel"
	"dumbtorch/runtime/tensor"
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
	// Largest are the largest buffers of all of these, the largest first, at most 5. Of the temporaries it has those that
	// are alive at the peak.
	Largest []MemoryUse
}

// A MemoryUse is one buffer of a run.
type MemoryUse struct {
	What  string // `feed "x" f32[64,784]`, or the ops and source lines that make a temporary
	Bytes int64
}

// use counts a buffer among the largest.
func (m *MemoryReport) use(bytes int64, format string, args ...any) {
	if bytes > 0 {
		m.Largest = append(m.Largest, MemoryUse{fmt.Sprintf(format, args...), bytes})
	}
}

// cut keeps the largest buffers.
func (m *MemoryReport) cut() {
	slices.SortStableFunc(m.Largest, func(a, b MemoryUse) int { return cmp.Compare(b.Bytes, a.Bytes) })
	const most = 5
	m.Largest = slices.Clip(m.Largest[:min(most, len(m.Largest))])
}

// Total returns the memory that is in use during a run. Each further run at the same time adds arena, feeds and results.
func (m MemoryReport) Total() int64 {
	return m.Arena + m.Variables + m.Feeds + m.Results + m.Constants
}

// String returns the report in lines.
func (m MemoryReport) String() string {
	var b strings.Builder
	line := func(what string, n int64, note string) {
		fmt.Fprintf(&b, "%-10s %12s%s\n", what, tensor.FormatBytes(n), note)
	}
	line("arena", m.Arena, fmt.Sprintf("  (lower bound %s, without reuse %s)", tensor.FormatBytes(m.LowerBound), tensor.FormatBytes(m.Unshared)))
	line("variables", m.Variables, "")
	line("feeds", m.Feeds, "")
	line("results", m.Results, "")
	line("constants", m.Constants, "")
	line("total", m.Total(), "")
	for _, u := range m.Largest {
		line("", u.Bytes, "  "+u.What)
	}
	return b.String()
}

// report adds up the program's buffers; checkMemory adds the variables.
func (p *program) report() MemoryReport {
	m := MemoryReport{Arena: p.code.Program.ArenaSize, Unshared: p.code.Memory.Sum, LowerBound: p.code.Memory.LowerBound}
	for _, l := range p.code.Memory.Largest {
		m.use(l.Bytes, "%s", l.Label)
	}
	for _, i := range p.feeds {
		n := p.types[i].Bytes()
		m.Feeds += n
		m.use(n, "feed %q %s", p.src.inputs[i].name, p.types[i])
	}
	for _, o := range p.outs {
		n := o.typ.Bytes()
		m.Results += n
		m.use(n, "result %q %s", o.name, o.typ)
	}
	for i := range p.code.Program.Buffers {
		if b := &p.code.Program.Buffers[i]; b.Kind == kernel.ConstBuffer {
			m.Constants += b.Bytes()
			m.use(b.Bytes(), "constant %s[%d]", b.DType, b.Len)
		}
	}
	return m
}

// limiter is a device that knows how much memory runs may have.
type limiter interface{ MemoryLimit() int64 }

// limit returns the bytes that a run may need, or 0 if nobody knows. What looks too little for need is looked at again after a
// garbage collection.
func (s *Session) limit(need int64) int64 {
	if s.cfg.memoryLimit > 0 {
		return s.cfg.memoryLimit
	}
	l, ok := s.dev.(limiter)
	if !ok {
		return 0
	}
	limit := l.MemoryLimit()
	if need > limit && need <= tensor.MachineMemory() {
		debug.FreeOSMemory()
		limit = l.MemoryLimit()
	}
	return limit
}

// checkMemory adds the session's variables and the step's to a report, and returns an error that announces what a run needs,
// if there is not that much.
func (st *Step) checkMemory(m *MemoryReport) error {
	vars := st.s.all()
	for _, v := range st.vars {
		if !slices.Contains(vars, v) {
			vars = append(vars, v)
		}
	}
	for _, v := range vars {
		m.Variables += v.typ.Bytes()
		m.use(v.typ.Bytes(), "variable %q %s", v.name, v.typ)
	}
	m.cut()
	limit := st.s.limit(m.Total())
	if limit <= 0 || m.Total() <= limit {
		return nil
	}
	var largest []string
	for _, u := range m.Largest {
		largest = append(largest, tensor.FormatBytes(u.Bytes)+" "+u.What)
	}
	return &tagged{ErrMemoryLimit, fmt.Sprintf("a run needs %s on device %s, which has %s: arena %s, variables %s, feeds %s, results %s, constants %s; the largest: %s",
		tensor.FormatBytes(m.Total()), st.s.dev.Name(), tensor.FormatBytes(limit), tensor.FormatBytes(m.Arena), tensor.FormatBytes(m.Variables), tensor.FormatBytes(m.Feeds),
		tensor.FormatBytes(m.Results), tensor.FormatBytes(m.Constants), strings.Join(largest, ", "))}
}
