package passes

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"dumbtorch/ir/kernel"
)

// badPlan returns a program before its plan and with a correct plan.
func badPlan(t *testing.T) (before, after *kernel.Program) {
	m := newProg()
	x, w := m.buffer(kernel.InputBuffer, "x", 20), m.buffer(kernel.VariableBuffer, "w", 20)
	y := m.buffer(kernel.OutputBuffer, "y", 20)
	a, b, c := m.buffer(kernel.TempBuffer, "", 20), m.buffer(kernel.TempBuffer, "", 20), m.buffer(kernel.TempBuffer, "", 20)
	m.launch(kernel.Pointwise, []int{a}, []operand{{x, reverse}})
	m.launch(kernel.Pointwise, []int{b}, []operand{{a, reverse}, {w, own}})
	m.launch(kernel.Pointwise, []int{y}, []operand{{a, own}, {b, own}})
	m.launch(kernel.Pointwise, []int{c}, []operand{{w, own}, {y, own}})
	m.p.Updates = []kernel.Update{{Variable: w, Value: c}}
	before = snapshot(m.p)
	require.NoError(t, memplan(&Config{Check: true}, m.p))
	return before, m.p
}

func TestMemcheckFindsMutants(t *testing.T) {
	const w, a, b = 1, 3, 4
	for name, tc := range map[string]struct {
		mutate func(p *kernel.Program)
		want   string
	}{
		"one place for two live values": {func(p *kernel.Program) { p.Buffers[b].Offset = p.Buffers[a].Offset }, "reads b3 after parts of b4 are written over it"},
		"partial overlap":               {func(p *kernel.Program) { p.ArenaSize += 64; p.Buffers[b].Offset = p.Buffers[a].Offset + 64 }, "are written over it"},
		"outside the arena":             {func(p *kernel.Program) { p.ArenaSize -= 64 }, "does not lie in the arena"},
		"not aligned":                   {func(p *kernel.Program) { p.ArenaSize += 64; p.Buffers[b].Offset += 4 }, "does not lie in the arena"},
		"update too early":              {func(p *kernel.Program) { p.Launches[0].Args[1] = w }, "buffer b3 is read but holds nothing"},
		"stale operand":                 {func(p *kernel.Program) { p.Launches[2].Args[1] = a }, "operand 1 is result 1 of launch 0 and should be"},
		"lost update":                   {func(p *kernel.Program) { p.Launches[3].Args[2] = b }, `variable "w" holds the initial value`},
		"lost launch":                   {func(p *kernel.Program) { p.Launches = p.Launches[:3] }, "lost launches"},
		"added launch":                  {func(p *kernel.Program) { p.Launches = append(p.Launches, p.Launches[1]) }, "no copy"},
	} {
		t.Run(name, func(t *testing.T) {
			before, after := badPlan(t)
			require.NoError(t, checkMemory(before, after))
			tc.mutate(after)
			require.ErrorContains(t, checkMemory(before, after), tc.want)
		})
	}
}

// Moving any live temporary onto another one is found.
func TestMemcheckFindsAnyOverlap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := randomProgram(t)
		before := snapshot(p)
		require.NoError(t, memplan(&Config{Off: map[string]bool{offReuse: true}}, p))
		spans, err := lifetimes(p)
		require.NoError(t, err)
		temps := p.Of(kernel.TempBuffer)
		if len(temps) < 2 {
			return
		}
		a, b := rapid.SampledFrom(temps).Draw(t, "a"), rapid.SampledFrom(temps).Draw(t, "b")
		both := a != b && spans[a].first < spans[b].last && spans[b].first < spans[a].last && spans[a].first != spans[b].first
		p.Buffers[a].Offset = p.Buffers[b].Offset
		if both {
			require.Error(t, checkMemory(before, p))
		} else if a == b || spans[a].first > spans[b].last || spans[b].first > spans[a].last {
			require.NoError(t, checkMemory(before, p))
		}
	})
}
