package nn

import (
	"fmt"
	"reflect"
	"strings"
	"unicode"

	"dumbtorch/graph"
)

// Params returns the parameters of a model in the order of its fields and
// names them by their path: field FC1 of type *Linear gives "fc1.weight" and
// "fc1.bias", elements of slices are numbered ("layers.0.weight"). Names are
// those of a PyTorch module with attributes in snake case; a field tag
// `nn:"name"` overrides, `nn:"-"` leaves a field out. A parameter that is
// reached twice (tied weights) is named by its first path and listed once.
//
// A model is a pointer to a struct, or a slice of such. Params panics with a
// [*graph.Error] for anything else.
func Params(model any) []*graph.Variable {
	w := &walker{seen: map[*graph.Variable]bool{}}
	v := reflect.ValueOf(model)
	if v.Kind() != reflect.Pointer && v.Kind() != reflect.Slice || v.IsNil() {
		graph.Fail("params", "a model is a pointer to a struct, not %T", model)
	}
	w.visit("", v, 0)
	return w.params
}

// Trainable returns the parameters of a model that are not frozen.
func Trainable(model any) []*graph.Variable {
	var out []*graph.Variable
	for _, p := range Params(model) {
		if p.Trainable() {
			out = append(out, p)
		}
	}
	return out
}

type walker struct {
	params []*graph.Variable
	seen   map[*graph.Variable]bool
}

// maxDepth stops a walk through a model that contains itself.
const maxDepth = 64

var variableType = reflect.TypeFor[*graph.Variable]()

func (w *walker) visit(path string, v reflect.Value, depth int) {
	if depth > maxDepth {
		graph.Fail("params", "model nests more than %d deep at %s: does it contain itself?", maxDepth, path)
	}
	switch v.Kind() {
	case reflect.Interface:
		if !v.IsNil() {
			w.visit(path, v.Elem(), depth+1)
		}
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		if v.Type() == variableType {
			w.add(path, v.Interface().(*graph.Variable))
			return
		}
		w.visit(path, v.Elem(), depth+1)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			w.visit(join(path, fmt.Sprint(i)), v.Index(i), depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			name := f.Tag.Get("nn")
			if !f.IsExported() || name == "-" {
				continue
			}
			switch {
			case name != "":
				w.visit(join(path, name), v.Field(i), depth+1)
			case f.Anonymous:
				w.visit(path, v.Field(i), depth+1)
			default:
				w.visit(join(path, snake(f.Name)), v.Field(i), depth+1)
			}
		}
	}
}

func (w *walker) add(path string, p *graph.Variable) {
	if w.seen[p] {
		return
	}
	w.seen[p] = true
	p.SetName(path)
	w.params = append(w.params, p)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// snake turns a Go field name into snake case: FC1 -> fc1, TokEmb -> tok_emb,
// InProjWeight -> in_proj_weight.
func snake(s string) string {
	var b strings.Builder
	rs := []rune(s)
	for i, r := range rs {
		if unicode.IsUpper(r) {
			prevLower := i > 0 && (unicode.IsLower(rs[i-1]) || unicode.IsDigit(rs[i-1]))
			endOfRun := i > 0 && i+1 < len(rs) && unicode.IsUpper(rs[i-1]) && unicode.IsLower(rs[i+1])
			if prevLower || endOfRun {
				b.WriteByte('_')
			}
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// Summary returns a table of a model's parameters: names, shapes, counts, and
// the totals.
func Summary(model any) string {
	ps := Params(model)
	var b strings.Builder
	width, total, frozen := len("parameter"), 0, 0
	for _, p := range ps {
		width = max(width, len(p.Name()))
	}
	fmt.Fprintf(&b, "%-*s  %-16s  %12s\n", width, "parameter", "type", "elements")
	for _, p := range ps {
		n := p.Type().Shape.Size()
		total += n
		note := ""
		if !p.Trainable() {
			frozen += n
			note = "  frozen"
		}
		fmt.Fprintf(&b, "%-*s  %-16s  %12d%s\n", width, p.Name(), p.Type(), n, note)
	}
	fmt.Fprintf(&b, "%-*s  %-16s  %12d\n", width, "total", "", total)
	if frozen > 0 {
		fmt.Fprintf(&b, "%-*s  %-16s  %12d\n", width, "trainable", "", total-frozen)
	}
	return b.String()
}
