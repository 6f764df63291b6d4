package graph_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/interp"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

// functions are those of the package that append to a graph.
var functions = map[string]any{
	"Scalar": graph.Scalar, "Full": graph.Full, "Zeros": graph.Zeros, "Ones": graph.Ones, "Iota": graph.Iota,
	"Arange": graph.Arange, "Constant": graph.Constant[float32], "ConstantOf": graph.ConstantOf,
	"Uniform": graph.Uniform, "Normal": graph.Normal, "Where": graph.Where, "Concat": graph.Concat,
	"Stack": graph.Stack, "Einsum": graph.Einsum, "VJP": graph.VJP, "ValueAndGrad": graph.ValueAndGrad,
	"CustomVJP": graph.CustomVJP, "Checkpoint": graph.Checkpoint, "BoundedDim": graph.BoundedDim,
	"Eye": graph.Eye, "Linspace": graph.Linspace,
}

// hostile makes arguments that users should not, but may, give.
type hostile struct {
	*rand.Rand
	g     *graph.Graph
	nodes []*graph.Node
}

var hostileInts = []int{
	0, 0, 1, 1, 1, 2, 2, 3, 4, -1, -1, -2, -3, 5, 30, 1 << 20, 1 << 40, 1 << 47, 1 << 62, -1 << 40, math.MaxInt, math.MinInt,
	graph.Dim("n"), graph.Dim("n") + 1, 2 * graph.Dim("n"), graph.Dim("n") * graph.Dim("m"), graph.Dim("m") / 2,
}

var hostileFloats = []float64{0, 0.5, 1, 2, -1, 255, 1e30, -1e300, math.NaN(), math.Inf(1), math.Inf(-1), float64(graph.Dim("n"))}

func (h *hostile) value(t reflect.Type) reflect.Value {
	switch t {
	case reflect.TypeFor[*graph.Node]():
		return reflect.ValueOf(h.node())
	case reflect.TypeFor[*graph.Graph]():
		if h.IntN(20) == 0 {
			return reflect.ValueOf((*graph.Graph)(nil))
		}
		return reflect.ValueOf(h.g)
	case reflect.TypeFor[types.DType]():
		return reflect.ValueOf(types.DType(h.IntN(9)))
	case reflect.TypeFor[*tensor.Tensor]():
		return reflect.ValueOf([]*tensor.Tensor{nil, {}, tensor.Scalar(int32(3))}[h.IntN(3)])
	case reflect.TypeFor[*graph.Variable]():
		return reflect.ValueOf([]*graph.Variable{nil, {}, shared, graph.NewVariable("v", types.Of(graph.F32, -1), nil)}[h.IntN(4)])
	}
	switch t.Kind() {
	case reflect.Int:
		return reflect.ValueOf(hostileInts[h.IntN(len(hostileInts))])
	case reflect.Bool:
		return reflect.ValueOf(h.IntN(2) == 0)
	case reflect.Float64:
		return reflect.ValueOf(hostileFloats[h.IntN(len(hostileFloats))])
	case reflect.Float32:
		return reflect.ValueOf(float32(h.IntN(5)))
	case reflect.String:
		return reflect.ValueOf([]string{"", "ij,jk->ik", "...i", "ii", "é", "->", ",", "ij->ji", "x", "i......"}[h.IntN(10)])
	case reflect.Slice:
		list := reflect.MakeSlice(t, 0, 4)
		for range h.IntN(4) {
			list = reflect.Append(list, h.value(t.Elem()))
		}
		return list
	case reflect.Struct:
		v := reflect.New(t).Elem()
		for i := range t.NumField() {
			v.Field(i).Set(h.value(t.Field(i).Type))
		}
		return v
	case reflect.Func:
		if h.IntN(4) == 0 {
			return reflect.Zero(t)
		}
		return reflect.MakeFunc(t, func([]reflect.Value) (out []reflect.Value) {
			for i := range t.NumOut() {
				out = append(out, h.value(t.Out(i)))
			}
			return out
		})
	}
	panic("no hostile value of " + t.String())
}

func (h *hostile) node() *graph.Node {
	switch h.IntN(20) {
	case 0:
		return nil
	case 1:
		return &graph.Node{}
	case 2:
		return foreign
	}
	return h.nodes[h.IntN(len(h.nodes))]
}

// call calls f with hostile arguments and keeps the nodes that it returns.
func (h *hostile) call(f reflect.Value, args ...reflect.Value) {
	t := f.Type()
	for i := len(args); i < t.NumIn(); i++ {
		args = append(args, h.value(t.In(i)))
	}
	var out []reflect.Value
	if t.IsVariadic() {
		out = f.CallSlice(args)
	} else {
		out = f.Call(args)
	}
	for _, v := range out {
		if x, ok := v.Interface().(*graph.Node); ok && x.Rank() <= 6 {
			h.nodes = append(h.nodes, x)
		}
	}
}

// step calls one method or function.
func (h *hostile) step() (name string, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *graph.Error:
			err = r
		default:
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	node := reflect.TypeFor[*graph.Node]()
	switch i := h.IntN(node.NumMethod() + len(functions) + 3); {
	case i < node.NumMethod():
		name = node.Method(i).Name
		h.call(node.Method(i).Func, reflect.ValueOf(h.node()))
	case i < node.NumMethod()+len(functions):
		names := slices.Sorted(mapKeys(functions))
		name = names[i-node.NumMethod()]
		h.call(reflect.ValueOf(functions[name]))
	default:
		name = []string{"Grad", "Assign", "Var"}[h.IntN(3)]
		h.call(reflect.ValueOf(h.g).MethodByName(name))
	}
	return name, nil
}

func mapKeys[V any](m map[string]V) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// hostileModel calls what there is with arguments made from a seed. Nothing but an *Error with a source line may result.
// Some of the values become outputs.
func hostileModel(t *testing.T, seed uint64) (*graph.Graph, error) {
	return graph.Build("hostile", func(g *graph.Graph) {
		h := &hostile{Rand: rand.New(rand.NewPCG(seed, 1)), g: g}
		h.nodes = []*graph.Node{
			g.Input("f", graph.F32, 2, 3), g.Input("d", graph.F64, 3), g.Input("i", graph.I32, 2, 3), g.Input("b", graph.Bool, 3),
			g.Input("u", graph.U8), g.Input("l", graph.I64, 1, 2, 3), g.Input("empty", graph.F32, 2, 0), g.Input("n", graph.F32, graph.Dim("n"), 3),
			graph.Zeros(g, graph.F32, 1<<40),
		}
		for range 40 {
			name, err := h.step()
			if err == nil {
				continue
			}
			var e *graph.Error
			require.True(t, errors.As(err, &e), "seed %d: %s: %v", seed, name, err)
			require.NotZero(t, e.Pos.Line, "seed %d: %s: %v", seed, name, err)
			require.NotEmpty(t, e.Op, "seed %d: %s: %v", seed, name, err)
			want := snake(name)
			require.Contains(t, append(alsoNamed[name], want), e.Op, "seed %d: %v", seed, err)
		}
		for i := range 4 {
			g.Output(fmt.Sprint(i), h.nodes[h.IntN(len(h.nodes))])
		}
	})
}

// hostileRun compiles and runs a hostile model on hostile numbers, under a limit of memory and time.
func hostileRun(t *testing.T, seed uint64) {
	g, err := hostileModel(t, seed)
	if err != nil {
		return // the model moved a dimension where it has no size, or used nothing
	}
	r := rand.New(rand.NewPCG(seed, 2))
	feeds := session.Feeds{}
	for _, in := range g.Inputs() {
		dims := slices.Clone(in.Dims)
		for i, d := range dims {
			if d < 0 {
				dims[i] = r.IntN(4)
			}
		}
		x, err := tensor.New(types.Of(in.DType, dims...))
		require.NoError(t, err)
		flat, err := x.Reshape(x.Len())
		require.NoError(t, err)
		for i := range flat.Len() {
			v := float64(r.IntN(3))
			if in.DType.IsFloat() && r.IntN(4) == 0 {
				v = hostileFloats[r.IntN(len(hostileFloats))]
			} else if in.DType == graph.Bool {
				v = float64(r.IntN(2))
			}
			require.NoError(t, flat.Set(v, i))
		}
		feeds[in.Name] = x
	}
	s := session.New(interp.New(interp.WithMemoryLimit(1<<24)), session.WithDebug("check"))
	defer s.Close()
	step, err := s.Compile(g)
	if err == nil {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err = step.Run(ctx, feeds)
	}
	var mistake *graph.Error
	var check *device.CheckError
	for _, fine := range []bool{
		err == nil, errors.As(err, &mistake), errors.As(err, &check), errors.Is(err, session.ErrMemoryLimit), errors.Is(err, device.ErrOutOfMemory),
		errors.Is(err, context.DeadlineExceeded),
	} {
		if fine {
			return
		}
	}
	t.Fatalf("seed %d: %v", seed, err)
}

func TestHostileModelsRun(t *testing.T) {
	for seed := range uint64(200) {
		hostileRun(t, seed)
	}
}

func FuzzHostileModels(f *testing.F) {
	for seed := range uint64(10) {
		f.Add(seed)
	}
	f.Fuzz(hostileRun)
}

// alsoNamed are the names in messages of what has no name of its own, or calls what has one.
var alsoNamed = map[string][]string{
	"ArgMax": {"argmax"}, "ArgMin": {"argmin"}, "MatMul": {"matmul"}, "ReLU": {"relu"}, "DType": {"dtype"}, "IR": {"ir"}, "VJP": {"vjp"},
	"CustomVJP": {"custom_vjp"}, "TypeString": {"type"}, "Assign": {"variable"}, "Var": {"variable"}, "BoundedDim": {"dim"},
	"CumSum": {"cumsum"}, "CumProd": {"cumprod"}, "CumMax": {"cummax"}, "CumMin": {"cummin"}, "IsNaN": {"is_nan"}, "LeakyReLU": {"leaky_relu"}, "ELU": {"elu"}, "CELU": {"celu"}, "SELU": {"selu"}, "GELU": {"gelu"}, "SiLU": {"silu"},
	"GELUTanh": {"gelu_tanh"}, "PReLU": {"p_relu"}, "GLU": {"glu"}, "ReLU6": {"relu6"}, "NaNToNum": {"nan_to_num"},
	"ConstantOf": {"constant"}, "ValueAndGrad": {"grad"}, "Grad": {"custom_vjp"},
	"RMSNorm": {"rms_norm"}, "UpsampleBy": {"upsample"},
}

// snake is a method's name as it stands in messages.
func snake(s string) string {
	var b strings.Builder
	for i, r := range s {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

func TestHostileArguments(t *testing.T) {
	for seed := range uint64(500) {
		_, _ = hostileModel(t, seed)
	}
}

func FuzzHostileArguments(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) { _, _ = hostileModel(t, seed) })
}
