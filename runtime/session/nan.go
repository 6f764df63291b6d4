package session

import (
	"context"
	"fmt"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/device"
)

// A NaNError says where the first NaN of a run came from. A session looks for it if its debug settings ask for that ("nan");
// every node of a graph is then a launch of its own, so that the one that made the NaN is named.
type NaNError struct {
	Launch  int    // number in the program; -1: it was fed, or in a variable
	Label   string // the op and the source line; or the feed or variable
	Element int    // position in the value, row-major
	Len     int    // elements of the value
}

// Error tells what made the NaN, and where in it the NaN stands.
func (e *NaNError) Error() string {
	if e.Launch < 0 {
		return fmt.Sprintf("%s holds a NaN: element %d of %d", e.Label, e.Element, e.Len)
	}
	return fmt.Sprintf("launch %d made the first NaN: %s (element %d of %d)", e.Launch, e.Label, e.Element, e.Len)
}

// nodeByNode leaves out the passes that compute several nodes in one launch.
func (c *config) nodeByNode() {
	off := map[string]bool{"fuse": true, "horizontal": true}
	for name, is := range c.passes.Off {
		off[name] = off[name] || is
	}
	c.passes.Off = off
}

// trace runs a program launch by launch until one makes a NaN.
func (p *program) trace(ctx context.Context, in, out []device.Buffer) error {
	prog := p.code.Program
	for i, n := range append(prog.Of(kernel.InputBuffer), prog.Of(kernel.VariableBuffer)...) {
		b := &prog.Buffers[n]
		if !b.DType.IsFloat() {
			continue
		}
		raw := make([]byte, b.Bytes())
		if err := in[i].CopyTo(raw); err != nil {
			return err
		}
		if at := firstNaN(b.DType, raw); at >= 0 {
			what := "feed"
			if b.Kind == kernel.VariableBuffer {
				what = "variable"
			}
			return &NaNError{Launch: -1, Label: fmt.Sprintf("%s %q", what, b.Name), Element: at, Len: b.Len}
		}
	}
	return p.exe.(device.Tracer).Trace(ctx, in, out, func(launch int, read func(buffer int) []byte) error {
		l := &prog.Launches[launch]
		for j, q := range l.Kernel.Params {
			if !q.Out || !q.DType.IsFloat() {
				continue
			}
			if at := firstNaN(q.DType, read(l.Args[j])); at >= 0 {
				return &NaNError{Launch: launch, Label: l.Label, Element: at, Len: q.Len}
			}
		}
		return nil
	})
}

// firstNaN returns the position of the first NaN among little-endian elements, or -1.
func firstNaN(d types.DType, raw []byte) int {
	if !d.IsFloat() {
		return -1
	}
	for i := range len(raw) / d.Size() {
		if v := kernel.ReadScalar(d, raw[i*d.Size():]).Float(); v != v {
			return i
		}
	}
	return -1
}
