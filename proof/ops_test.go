package proof

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/ir"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

// untold are the operations that PyTorch tells nothing about, and why.
var untold = map[string]string{
	"uniform": "PyTorch's generator is another one; package ir tests the distribution",
	"normal":  "PyTorch's generator is another one; package ir tests the distribution",
}

const sixth = "PyTorch multiplies by 1/6 as an f32"

// lossy are cases whose gradients PyTorch computes with a loss of digits.
var lossy = map[string]tolerance{
	"logsumexp/f32extreme":     {100, 0, "PyTorch's exp(x-result) has half an ulp of the result as error in its exponent"},
	"logsumexp/f64extreme":     {800, 0, "PyTorch's exp(x-result) has half an ulp of the result as error in its exponent"},
	"log_cum_sum_exp/f32large": {500, 0, "PyTorch's exp(x-result) has half an ulp of the result as error in its exponent"},
	"log_cum_sum_exp/f64large": {500, 0, "PyTorch's exp(x-result) has half an ulp of the result as error in its exponent"},

	"hardsigmoid/f64[]":      {1 << 28, 0, sixth},
	"hardsigmoid/f64[1]":     {1 << 28, 0, sixth},
	"hardsigmoid/f64[3, 5]":  {1 << 28, 0, sixth},
	"hardsigmoid/f64view/t":  {1 << 28, 0, sixth},
	"hardsigmoid/f64corners": {1 << 28, 0, sixth},
}

// opsMet counts the operations that the cases are made of, gradients included.
type opsMet struct {
	mu  sync.Mutex
	ops map[ir.Op]int
}

func (m *opsMet) add(g *ir.Graph) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ops == nil {
		m.ops = map[ir.Op]int{}
	}
	for _, n := range g.Nodes {
		m.ops[n.Op]++
	}
}

// Every operation gives PyTorch's values and PyTorch's gradients, on every
// device.
func TestOperationsAgreeWithPyTorch(t *testing.T) {
	s := cases(t)
	byOp := map[string][]*record{}
	for _, c := range s.cases {
		byOp[c.Op] = append(byOp[c.Op], c)
	}
	for name := range ops {
		require.NotEmpty(t, byOp[name], "testdata/ops has no case of %s", name)
	}
	var met opsMet
	t.Run("op", func(t *testing.T) {
		for name, list := range byOp {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				for _, d := range devices {
					t.Run(d.name, func(t *testing.T) {
						dev := d.open()
						defer dev.Close()
						ses := session.New(dev)
						defer ses.Close()
						for _, c := range list {
							switch c.Op {
							case "sgd":
								met.add(c.train(t, s, dev))
							case "module":
								met.add(c.module(t, s, dev))
							default:
								met.add(c.run(t, s, ses))
							}
						}
					})
				}
			})
		}
	})
	for _, d := range ir.Ops() {
		if why := untold[d.Name]; why == "" {
			require.NotZero(t, met.ops[d.Op], "no case of testdata/ops uses the operation %s", d.Name)
		} else {
			require.Zero(t, met.ops[d.Op], "%s is used: delete it from the list of those that are not", d.Name)
		}
	}
}

// run compares one case with what PyTorch made of it and returns its graph.
func (c *record) run(t *testing.T, s *suite, ses *session.Session) *ir.Graph {
	o, ok := ops[c.Op]
	require.True(t, ok, "%s: no function for operation %s", c.Name, c.Op)
	in, out, ct, grads := s.tensors(t, c.In), s.tensors(t, c.Out), s.tensors(t, c.CT), s.tensors(t, c.Grad)
	feeds := session.Feeds{}
	c.Attr.fed = in
	g, err := graph.Build(c.Op, func(g *graph.Graph) {
		fed := make([]*node, len(in))
		for i, x := range in {
			name := fmt.Sprint("x", i)
			fed[i], feeds[name] = g.Input(name, x.DType(), x.Shape()...), x
		}
		ys := o.f(g, c.Attr, c.views(fed))
		for i, y := range ys {
			g.Output(fmt.Sprint("y", i), y)
		}
		if grads != nil {
			c.differentiate(g, fed, ys, ct, feeds)
		}
	})
	require.NoError(t, err, c.Name)
	step, err := ses.Compile(g)
	require.NoError(t, err, c.Name)
	defer step.Close()
	res, err := step.Run(t.Context(), feeds)
	require.NoError(t, err, c.Name)
	defer res.Release()
	check := func(name string, want *tensor.Tensor, tol tolerance) {
		if other, ok := lossy[c.Name]; ok && name[0] == 'd' {
			tol = other
		}
		got, err := res.Tensor(name)
		require.NoError(t, err, c.Name)
		tol = tol.of(want.DType(), name[0] == 'd')
		if err := tol.compare(got, want); err != nil {
			t.Errorf("%s: %s %v\n%v", c.Name, name, err, feeds)
		}
	}
	for i, want := range out {
		check(fmt.Sprint("y", i), want, o.value)
	}
	for i, want := range grads {
		check(fmt.Sprint("d", i), want, o.grad)
	}
	return g.IR()
}

// views makes operands of what is fed.
func (c *record) views(fed []*node) []*node {
	xs := slices.Clone(fed)
	for i, v := range c.View {
		x := xs[i]
		switch v {
		case "t":
			xs[i] = x.T()
		case "even":
			xs[i] = x.Slice(-1, 1, graph.End, 2)
		case "flip":
			xs[i] = x.Flip(-1)
		case "row":
			xs[i] = x.Slice(0, 1, 2, 1).BroadcastTo(x.Shape()...)
		}
	}
	return xs
}

// differentiate outputs the gradients of the floating-point operands.
func (c *record) differentiate(g *graph.Graph, fed, ys []*node, ct []*tensor.Tensor, feeds session.Feeds) {
	var outs, cts, wrt []*node
	for i, v := range ct {
		if v != nil {
			name := fmt.Sprint("ct", i)
			outs, cts = append(outs, ys[i]), append(cts, g.Input(name, v.DType(), v.Shape()...))
			feeds[name] = v
		}
	}
	for _, x := range fed {
		if x.DType().IsFloat() {
			wrt = append(wrt, x)
		}
	}
	for i, d := range graph.VJP(outs, cts, wrt) {
		g.Output(fmt.Sprint("d", i), d)
	}
}

// The numbers are many and of all kinds.
func TestCasesCoverTheCorners(t *testing.T) {
	s := cases(t)
	require.Greater(t, len(s.cases), 2000)
	names := map[string]bool{}
	kinds := map[string]int{}
	for _, c := range s.cases {
		require.False(t, names[c.Name], "two cases are called %s", c.Name)
		names[c.Name] = true
		for _, ref := range c.In {
			typ, _, _ := strings.Cut(ref, "@")
			dtype, dims, _ := strings.Cut(typ, "[")
			kinds[dtype]++
			switch {
			case dims == "]":
				kinds["rank 0"]++
			case strings.Contains(","+strings.TrimSuffix(dims, "]")+",", ",0,"):
				kinds["size 0"]++
			}
		}
		for _, v := range c.View {
			kinds["view "+v]++
		}
		if c.Grad != nil {
			kinds["gradient"]++
		}
	}
	for _, k := range []string{"f32", "f64", "i32", "i64", "u8", "bool", "rank 0", "size 0", "view t", "view even", "view flip", "view row", "gradient"} {
		require.GreaterOrEqual(t, kinds[k], 20, k)
	}
}
