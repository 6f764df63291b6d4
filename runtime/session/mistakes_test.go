package session_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/ir"
	"dumbtorch/ir/types"
	"dumbtorch/passes"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/interp"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// world is where a mistake happens: a session that has compiled a training and an evaluation step.
type world struct {
	*testing.T
	*session.Session
	m           *mlp
	train, eval *session.Step
}

// compile compiles a model of the case's own.
func (w *world) compile(model func(g *graph.Graph)) *session.Step {
	g, err := graph.Build("model", model)
	require.NoError(w, err)
	st, err := w.Compile(g)
	require.NoError(w, err)
	return st
}

// try returns the error of compiling a model.
func (w *world) try(model func(g *graph.Graph)) error {
	g, err := graph.Build("model", model)
	require.NoError(w, err)
	_, err = w.Compile(g)
	return err
}

func run(st *session.Step, feeds session.Feeds) error {
	_, err := st.Run(context.Background(), feeds)
	return err
}

func tens[T tensor.Element](w *world, data []T, dims ...int) *tensor.Tensor {
	if dims == nil {
		dims = []int{len(data)}
	}
	t, err := tensor.From(data, dims...)
	require.NoError(w, err)
	return t
}

// with returns feeds for the training step with one of them replaced.
func (w *world) with(name string, t *tensor.Tensor) session.Feeds {
	feeds := points(w, 4, 1)
	feeds[name] = t
	return feeds
}

// mistakes are what users do wrong with sessions. The messages stand in testdata/mistakes.txt, lines counted from the
// function's first.
var mistakes = []struct {
	name string
	f    func(w *world) error
	is   error
}{
	{"unknown feed", func(w *world) error { return run(w.train, w.with("X", nil)) }, session.ErrFeed},
	{"feeds for a step without inputs", func(w *world) error {
		st := w.compile(func(g *graph.Graph) { g.Output("w", g.Var(w.m.w1)) })
		return run(st, w.with("x", nil))
	}, session.ErrFeed},
	{"missing feed", func(w *world) error { return run(w.train, session.Feeds{"x": points(w, 4, 1)["x"]}) }, session.ErrFeed},
	{"no feeds", func(w *world) error { return run(w.train, nil) }, session.ErrFeed},
	{"nil feed", func(w *world) error { return run(w.train, w.with("y", nil)) }, session.ErrFeed},
	{"zero tensor", func(w *world) error { return run(w.train, w.with("y", &tensor.Tensor{})) }, session.ErrFeed},
	{"wrong dtype", func(w *world) error { return run(w.train, w.with("y", tens(w, []int64{1, 2, 0, 1}))) }, session.ErrFeed},
	{"wrong shape", func(w *world) error { return run(w.train, w.with("x", tens(w, make([]float32, 12), 4, 3))) }, session.ErrFeed},
	{"wrong rank", func(w *world) error { return run(w.train, w.with("x", tens(w, make([]float32, 8)))) }, session.ErrFeed},
	{"batches differ", func(w *world) error { return run(w.train, w.with("y", tens(w, []int32{1, 2, 0}))) }, session.ErrFeed},
	{"beyond the bound", func(w *world) error {
		st := w.compile(func(g *graph.Graph) { g.Output("y", g.Input("tokens", graph.I64, graph.BoundedDim("seq", 3)).Sum()) })
		return run(st, session.Feeds{"tokens": tens(w, []int64{1, 2, 3, 4})})
	}, session.ErrFeed},
	{"one name, two sizes", func(w *world) error {
		st := w.compile(func(g *graph.Graph) { g.Output("y", g.Input("x", graph.I64, graph.Dim("n"), graph.Dim("n")).Sum()) })
		return run(st, session.Feeds{"x": tens(w, []int64{1, 2}, 1, 2)})
	}, session.ErrFeed},

	{"closed session", func(w *world) error {
		require.NoError(w, w.Close())
		return run(w.train, points(w, 4, 1))
	}, session.ErrClosed},
	{"compile in a closed session", func(w *world) error {
		require.NoError(w, w.Close())
		_, err := w.Compile(w.m.eval(w))
		return err
	}, session.ErrClosed},
	{"variable of a closed session", func(w *world) error {
		require.NoError(w, w.Close())
		_, err := w.Get("fc1.bias")
		return err
	}, session.ErrClosed},
	{"closed step", func(w *world) error {
		require.NoError(w, w.train.Close())
		return run(w.train, points(w, 4, 1))
	}, session.ErrClosed},
	{"closed device", func(w *world) error {
		require.NoError(w, w.Device().Close())
		return run(w.train, points(w, 4, 1))
	}, device.ErrClosed},
	{"released results", func(w *world) error {
		res, err := w.train.Run(w.Context(), points(w, 4, 1))
		require.NoError(w, err)
		res.Release()
		_, err = res.Scalar("loss")
		return err
	}, session.ErrReleased},
	{"results without a run", func(w *world) error {
		_, err := new(session.Results).Tensor("loss")
		return err
	}, session.ErrReleased},
	{"results of a failed run", func(w *world) error {
		res := new(session.Results)
		require.Error(w, w.train.RunInto(w.Context(), w.with("y", tens(w, []int32{0, 1, 2, 3})), res))
		_, err := res.Scalar("loss")
		return err
	}, nil},
	{"no results to fill", func(w *world) error { return w.train.RunInto(w.Context(), points(w, 4, 1), nil) }, nil},
	{"unknown output", func(w *world) error {
		res, err := w.train.Run(w.Context(), points(w, 4, 1))
		require.NoError(w, err)
		_, err = res.Tensor("los")
		return err
	}, nil},
	{"not one number", func(w *world) error {
		res, err := w.compile(func(g *graph.Graph) { g.Output("w", g.Var(w.m.w1)) }).Run(w.Context(), nil)
		require.NoError(w, err)
		_, err = res.Scalar("w")
		return err
	}, nil},

	{"label out of range", func(w *world) error { return run(w.train, w.with("y", tens(w, []int32{0, 1, 3, 2}))) }, nil},
	{"negative label", func(w *world) error { return run(w.train, w.with("y", tens(w, []int32{0, -100, 1, 2}))) }, nil},
	{"row of an embedding", func(w *world) error {
		st := w.compile(func(g *graph.Graph) {
			ids := g.Input("ids", graph.I64, 2)
			rows := g.Var(w.m.w1).Take(0, ids)
			g.Output("rows", rows.Exp())
		})
		return run(st, session.Feeds{"ids": tens(w, []int64{3, 1 << 40})})
	}, nil},
	{"place of a scatter", func(w *world) error {
		st := w.compile(func(g *graph.Graph) {
			ids := g.Input("ids", graph.U8, 2)
			g.Output("y", graph.Zeros(g, graph.F32, 3).ScatterAdd(0, ids, graph.Ones(g, graph.F32, 2)))
		})
		return run(st, session.Feeds{"ids": tens(w, []uint8{0, 255})})
	}, nil},
	{"integer division by zero", func(w *world) error {
		st := w.compile(func(g *graph.Graph) {
			g.Output("y", graph.Constant(g, []int64{1, 2}, 2).FloorDiv(g.Input("x", graph.I64, 2)))
		})
		return run(st, session.Feeds{"x": tens(w, []int64{1, 0})})
	}, nil},
	{"remainder of an integer by zero", func(w *world) error {
		st := w.compile(func(g *graph.Graph) { g.Output("y", g.Input("x", graph.U8, 1).Rem(g.Input("y", graph.U8, 1))) })
		return run(st, session.Feeds{"x": tens(w, []uint8{1}), "y": tens(w, []uint8{0})})
	}, nil},

	{"cancelled", func(w *world) error {
		ctx, cancel := context.WithCancel(w.Context())
		cancel()
		_, err := w.train.Run(ctx, points(w, 4, 1))
		return err
	}, context.Canceled},
	{"too little memory", func(w *world) error {
		s := session.New(w.Device(), session.WithMemoryLimit(3000))
		defer s.Close()
		st, err := s.Compile(w.compileless())
		require.NoError(w, err)
		return run(st, session.Feeds{"x": tens(w, make([]float32, 1000))})
	}, session.ErrMemoryLimit},
	{"a variable larger than memory", func(w *world) error {
		v := graph.NewVariable("table", types.Of(graph.F64, 1<<30, 1<<10), nil)
		return w.try(func(g *graph.Graph) { g.Output("y", g.Var(v).Sum()) })
	}, session.ErrMemoryLimit},
	{"a temporary larger than memory", func(w *world) error {
		return w.try(func(g *graph.Graph) {
			x := g.Input("x", graph.F64, 1<<20, 2)
			all := x.MatMul(x.T())
			g.Output("z", all.Exp().MatMul(x))
		})
	}, session.ErrMemoryLimit},
	{"more memory than the device has left", func(w *world) error {
		dev := interp.New(interp.WithMemoryLimit(2000))
		s := session.New(dev, session.WithMemoryLimit(1<<20))
		defer s.Close()
		_, err := s.Compile(w.m.eval(w))
		require.NoError(w, err)
		v := graph.NewVariable("v", types.Of(graph.F64, 1000), nil)
		g, err := graph.Build("model", func(g *graph.Graph) { g.Output("y", g.Var(v).Sum()) })
		require.NoError(w, err)
		_, err = s.Compile(g)
		return err
	}, device.ErrOutOfMemory},

	{"nil graph", func(w *world) error { _, err := w.Compile(nil); return err }, nil},
	{"graph that no Build made", func(w *world) error { _, err := w.Compile(&graph.Graph{}); return err }, nil},
	{"graph whose Build failed", func(w *world) error {
		var g *graph.Graph
		_, err := graph.Build("model", func(h *graph.Graph) { g = h; h.Output("y", nil) })
		require.Error(w, err)
		_, err = w.Compile(g)
		return err
	}, nil},
	{"nil device", func(w *world) error { _, err := session.New(nil).Compile(w.compileless()); return err }, nil},
	{"nil option", func(w *world) error { _, err := session.New(w.Device(), nil).Compile(w.compileless()); return err }, nil},
	{"nil context", func(w *world) error {
		var none context.Context
		_, err := w.train.Run(none, points(w, 4, 1))
		return err
	}, nil},
	{"nil intermediate representation", func(w *world) error { _, err := w.CompileIR(nil); return err }, nil},
	{"two variables of one name", func(w *world) error {
		v := graph.NewVariable("fc1.bias", types.Of(graph.F32, 5), nil)
		return w.try(func(g *graph.Graph) { g.Output("y", g.Var(v)) })
	}, nil},
	{"a variable renamed", func(w *world) error {
		w.m.b1.SetName("layers.0.bias")
		return w.try(func(g *graph.Graph) { g.Output("y", g.Var(w.m.b1)) })
	}, nil},
	{"a variable by name of another type", func(w *world) error {
		b := ir.NewBuilder("parsed")
		b.G.Outputs = []ir.Output{{Name: "y", Node: b.Variable("fc1.bias", types.Of(types.F32, 5))}}
		_, err := w.CompileIR(b.G)
		return err
	}, nil},
	{"initial value of another type", func(w *world) error {
		v := graph.NewVariable("v", types.Of(graph.F32, 2), graph.InitialValue(tens(w, []float32{1, 2, 3})))
		return w.try(func(g *graph.Graph) { g.Output("y", g.Var(v)) })
	}, nil},
	{"nil initial value", func(w *world) error {
		v := graph.NewVariable("v", types.Of(graph.F32, 2), graph.InitialValue(nil))
		return w.try(func(g *graph.Graph) { g.Output("y", g.Var(v)) })
	}, nil},
	{"size that the model cannot have", func(w *world) error {
		st := w.compile(func(g *graph.Graph) {
			x := g.Input("x", graph.F32, graph.Dim("n"))
			g.Output("y", x.Reshape(-1, 4).Sum())
		})
		return run(st, session.Feeds{"x": tens(w, []float32{1, 2, 3, 4, 5, 6})})
	}, nil},
	{"unknown pass", func(w *world) error {
		s := session.New(w.Device(), session.WithPasses(passes.Config{Off: map[string]bool{"fusion": true}}))
		st, err := s.Compile(w.compileless())
		require.NoError(w, err)
		return run(st, session.Feeds{"x": tens(w, []float32{1})})
	}, nil},

	{"set an unknown variable", func(w *world) error { return w.Set("fc1.weights", tens(w, []float32{1})) }, nil},
	{"set to another type", func(w *world) error { return w.Set("fc2.bias", tens(w, []float64{1, 2, 3})) }, nil},
	{"set to nil", func(w *world) error { return w.Set("fc2.bias", nil) }, nil},
	{"read into another type", func(w *world) error { return w.Read("fc2.bias", tens(w, []float32{1, 2})) }, nil},
	{"state of another model", func(w *world) error {
		return w.SetState(map[string]*tensor.Tensor{
			"fc1.weight": tens(w, make([]float32, 4), 2, 2), "fc1.bias": tens(w, make([]float32, 16)), "fc3.bias": tens(w, []float32{1}),
		})
	}, nil},
	{"memory of a size that is missing", func(w *world) error { _, err := w.train.Memory(nil); return err }, nil},
	{"memory of a negative size", func(w *world) error { _, err := w.train.Memory(session.Binding{"batch": -1}); return err }, nil},
	{"program of an unknown dimension", func(w *world) error {
		_, err := w.train.Program(session.Binding{"batch": 1, "seq": 2})
		return err
	}, nil},
}

// compileless is a graph that needs no session.
func (w *world) compileless() *graph.Graph {
	g, err := graph.Build("model", func(g *graph.Graph) { g.Output("y", g.Input("x", graph.F32, graph.Dim("n")).Sum()) })
	require.NoError(w, err)
	return g
}

// relative counts the source lines in a message from that of f, where it stands in the file of f.
func relative(msg string, f any) string {
	pc := reflect.ValueOf(f).Pointer()
	own, start := runtime.FuncForPC(pc).FileLine(pc)
	return regexp.MustCompile(`(\w+_test\.go):(\d+)`).ReplaceAllStringFunc(msg, func(pos string) string {
		file, line, _ := strings.Cut(pos, ":")
		n, _ := strconv.Atoi(line)
		if file != filepath.Base(own) {
			return file + ":N"
		}
		return fmt.Sprintf("+%d", n-start)
	})
}

func TestMistakes(t *testing.T) {
	file := filepath.Join("testdata", "mistakes.txt")
	golden, err := os.ReadFile(file)
	if !*update {
		require.NoError(t, err)
	}
	want := map[string]string{}
	for entry := range strings.SplitSeq(string(golden), "\n\n") {
		name, msg, _ := strings.Cut(strings.TrimSpace(entry), "\n")
		want[name] = strings.TrimSpace(msg)
	}
	if !*update {
		require.Equal(t, len(mistakes), len(want), "cases in the golden file: run with -update")
	}
	var all []string
	for _, c := range mistakes {
		t.Run(c.name, func(t *testing.T) {
			dev := interp.New(interp.WithMemoryLimit(1 << 30))
			w := &world{T: t, Session: session.New(dev), m: newMLP()}
			var err error
			w.train, err = w.Compile(w.m.train(t))
			require.NoError(t, err)
			w.eval, err = w.Compile(w.m.eval(t))
			require.NoError(t, err)
			err = c.f(w)
			require.Error(t, err)
			if c.is != nil {
				require.ErrorIs(t, err, c.is)
			}
			require.NotContains(t, err.Error(), "internal error")
			got := strings.ReplaceAll(relative(err.Error(), c.f), "\n", "\n\t")
			all = append(all, c.name+"\n\t"+got)
			if !*update {
				require.Equal(t, want[c.name], got)
			}
			require.NoError(t, w.Close())
		})
	}
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(strings.Join(all, "\n\n")+"\n"), 0o644))
	}
}

func TestUnknownDevices(t *testing.T) {
	_, err := device.Open("tpu:0")
	require.EqualError(t, err, fmt.Sprintf("unknown device %q (known: %s)", "tpu:0", strings.Join(device.Kinds(), ", ")))
	require.Contains(t, device.Kinds(), "interp")
	for _, name := range []string{"", ":", "interp:1"} {
		_, err := device.Open(name)
		require.Error(t, err, name)
	}
}
