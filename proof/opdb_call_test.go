package proof

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/tensor"
)

// An entry says how an operation of PyTorch's op_db is written with package
// graph: the names of its parameters, in PyTorch's order, and a function of
// their values. A nil among its results is one that has no counterpart.
type entry struct {
	params string
	f      func(c *call) []*node
}

// leftOut is the reason why a sample has no counterpart; a call panics with it.
type leftOut string

// A call holds the arguments of one sample.
type call struct {
	g    *graph.Graph
	args map[string]any // by parameter, as decoded from JSON; tensors are *operand
}

// An operand is a tensor among the arguments.
type operand struct {
	x      *node
	value  *tensor.Tensor
	wanted bool // its gradient is
}

func leave(format string, args ...any) { panic(leftOut(fmt.Sprintf(format, args...))) }

// bind gives arguments to parameters.
func bind(params string, args []any, kw map[string]any) map[string]any {
	names := strings.Fields(params)
	out := map[string]any{}
	for i, a := range args {
		if i >= len(names) {
			leave("argument number %d", i)
		}
		out[names[i]] = a
	}
	for k, v := range kw {
		switch {
		case slices.Contains(names, k):
			out[k] = v
		case k == "device" || k == "requires_grad" || k == "layout" || k == "pin_memory" || v == nil:
		default:
			leave("argument %s", k)
		}
	}
	return out
}

// decode makes a value of the JSON form of an argument; tensors go through put.
func decode(raw json.RawMessage, put func(ref string, wanted bool) *operand) (any, error) {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, err
	}
	return decodeValue(v, put)
}

func decodeValue(v any, put func(ref string, wanted bool) *operand) (any, error) {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			var err error
			if out[i], err = decodeValue(e, put); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		if ref, ok := v["t"].(string); ok {
			wanted, _ := v["g"].(bool)
			return put(ref, wanted), nil
		}
		if f, ok := v["f"].(string); ok {
			return strconv.ParseFloat(f, 64)
		}
		if d, ok := v["dtype"].(string); ok {
			return types.ParseDType(d)
		}
		return nil, fmt.Errorf("no argument: %v", v)
	}
	return v, nil
}

func (c *call) has(name string) bool { return c.args[name] != nil }

// x returns a tensor, or a number as a scalar of the element type of the first
// argument, f32 for fractions of an integer type.
func (c *call) x(name string) *node {
	switch v := c.args[name].(type) {
	case *operand:
		return v.x
	case float64:
		d := types.F32
		if o, ok := c.args["input"].(*operand); ok {
			switch d = o.x.DType(); {
			case d.IsFloat():
			case v != math.Trunc(v):
				d = types.F32
			case d == types.Bool:
				d = types.I64
			}
		}
		return graph.Scalar(c.g, d, v)
	case bool:
		n := 0.0
		if v {
			n = 1
		}
		return graph.Scalar(c.g, types.Bool, n)
	}
	leave("%s is no tensor", name)
	return nil
}

// optional is x, or nil where there is none.
func (c *call) optional(name string) *node {
	if !c.has(name) {
		return nil
	}
	return c.x(name)
}

// input returns the first argument, a tensor.
func (c *call) input() *node {
	o, ok := c.args["input"].(*operand)
	if !ok {
		leave("a number as the first operand")
	}
	return o.x
}

// xs returns a list of tensors.
func (c *call) xs(name string) []*node {
	list, ok := c.args[name].([]any)
	if !ok {
		return []*node{c.x(name)}
	}
	var out []*node
	for _, v := range list {
		o, ok := v.(*operand)
		if !ok {
			leave("%s is no list of tensors", name)
		}
		out = append(out, o.x)
	}
	return out
}

func (c *call) float(name string, def float64) float64 {
	switch v := c.args[name].(type) {
	case nil:
		return def
	case float64:
		return v
	case bool:
		if v {
			return 1
		}
		return 0
	case *operand:
		leave("%s is a tensor", name)
	}
	leave("%s is %v", name, c.args[name])
	return 0
}

func (c *call) int(name string, def int) int { return int(c.float(name, float64(def))) }

func (c *call) flag(name string, def bool) bool {
	switch v := c.args[name].(type) {
	case nil:
		return def
	case bool:
		return v
	case float64:
		return v != 0
	}
	leave("%s is %v", name, c.args[name])
	return false
}

func (c *call) text(name, def string) string {
	if !c.has(name) {
		return def
	}
	s, ok := c.args[name].(string)
	if !ok {
		leave("%s is no text", name)
	}
	return s
}

// ints returns a list of numbers, a tensor's where its value is one, or nil.
func (c *call) ints(name string) []int {
	switch v := c.args[name].(type) {
	case nil:
		return nil
	case float64:
		return []int{int(v)}
	case *operand:
		return values(name, v)
	case []any:
		out := []int{}
		for _, e := range v {
			switch e := e.(type) {
			case float64:
				out = append(out, int(e))
			case *operand:
				out = append(out, values(name, e)...)
			default:
				leave("%s is %v", name, v)
			}
		}
		return out
	}
	leave("%s is %v", name, c.args[name])
	return nil
}

func values(name string, o *operand) []int {
	var out []int
	for i := range o.value.Len() {
		flat, err := o.value.Reshape(o.value.Len())
		if err != nil || !o.value.DType().IsInt() {
			leave("%s is a tensor", name)
		}
		v, err := flat.At(i)
		if err != nil {
			leave("%s: %v", name, err)
		}
		out = append(out, int(v))
	}
	return out
}

// axis returns a dimension of x.
func (c *call) axis(name string, def int, x *node) int {
	if x.Rank() == 0 {
		leave("a dimension of a scalar")
	}
	return c.int(name, def)
}

// axes returns the arguments of a reduction of x: a scalar has no dimensions, but
// PyTorch lets one name them.
func (c *call) axes(x *node) []int {
	list := c.ints("dim")
	if x.Rank() == 0 {
		list = nil
	}
	if c.flag("keepdim", false) {
		list = append(list, graph.KeepDims)
	}
	return list
}

// cast returns x in the element type that is asked for.
func (c *call) cast(x *node) *node {
	if d, ok := c.args["dtype"].(types.DType); ok {
		return x.Cast(d)
	}
	return x
}

// dtype returns the element type that is asked for.
func (c *call) dtype(def types.DType) types.DType {
	if d, ok := c.args["dtype"].(types.DType); ok {
		return d
	}
	return def
}

// spatial repeats a lone number for every one of n dimensions.
func (c *call) spatial(name string, n int) []int {
	list := c.ints(name)
	if len(list) == 1 {
		return slices.Repeat(list, n)
	}
	return list
}

// Makers of entries.

func plain(params string, f func(c *call) *node) entry {
	return entry{params, func(c *call) []*node { return []*node{f(c)} }}
}

func of1(f func(x *node) *node) entry {
	return plain("input", func(c *call) *node { return f(c.input()) })
}

func of2(f func(x, y *node) *node) entry {
	return plain("input other", func(c *call) *node { return f(c.input(), c.x("other")) })
}

// reversed is an operation whose first operand is the second argument.
func reversed(f func(x, y *node) *node) entry {
	return plain("input other", func(c *call) *node { return f(c.x("other"), c.input()) })
}

func logical(f func(x, y *node) *node) entry {
	return of2(func(x, y *node) *node { return f(x.Cast(graph.Bool), y.Cast(graph.Bool)) })
}

func folding(f func(x *node, axes ...int) *node) entry {
	return plain("input dim keepdim dtype", func(c *call) *node {
		x := c.cast(c.input())
		return f(x, c.axes(x)...)
	})
}

func scanning(f func(x *node, axis int) *node) entry {
	return plain("input dim dtype", func(c *call) *node {
		x := c.cast(c.input())
		return f(x, c.axis("dim", -1, x))
	})
}
