package nn

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"dumbtorch/graph"
)

// Params returns the parameters of a model in the order of its fields and
// names them by their path: field FC1 of type *Linear gives "fc1.weight" and
// "fc1.bias", elements of slices are numbered ("layers.0.weight"), those of maps
// from strings have their keys, in order. Names are those of a PyTorch module
// with attributes in snake case; a field tag `nn:"name"` overrides, `nn:"-"`
// leaves a field out. A parameter that is reached twice (tied weights) is named
// by its first path and listed once.
//
// A model is a pointer to a struct, or a slice or map of such. Params panics
// with a [*graph.Error] for anything else, and where a field holds parameters
// but is not exported.
func Params(model any) []*graph.Variable {
	w := &walker{listed: map[*graph.Variable]bool{}, seen: map[visit]bool{}}
	v := reflect.ValueOf(model)
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
	default:
		graph.Fail("params", "a model is a pointer to a struct, not %T", model)
	}
	if v.IsNil() {
		graph.Fail("params", "the model is a nil %T", model)
	}
	if err := w.visit("", v, place{}); err != nil {
		graph.Fail("params", "%w", err)
	}
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
	listed map[*graph.Variable]bool
	seen   map[visit]bool
}

// visit is a part of a model that was walked through; it need not be again,
// and a model may point to itself.
type visit struct {
	at  uintptr
	len int
	typ reflect.Type
}

// place is where a walk is: how deep, and in which field that is not exported,
// if in any.
type place struct {
	depth  int
	hidden string
}

// maxDepth stops a walk through a model that contains itself by value, in an
// interface.
const maxDepth = 256

var variableType = reflect.TypeFor[*graph.Variable]()

func (w *walker) visit(path string, v reflect.Value, at place) error {
	if at.depth++; at.depth > maxDepth {
		return fmt.Errorf("the model nests more than %d deep: does it contain itself?", maxDepth)
	}
	switch v.Kind() {
	case reflect.Interface:
		if !v.IsNil() {
			return w.visit(path, v.Elem(), at)
		}
	case reflect.Pointer:
		switch {
		case v.IsNil():
		case v.Type() == variableType && !v.CanInterface():
			return fmt.Errorf("field %s is not exported, and its parameters cannot be found: export it, or leave it out with the tag `nn:\"-\"`", cmp.Or(at.hidden, path))
		case v.Type() == variableType:
			w.add(path, v.Interface().(*graph.Variable))
		case w.first(v, 0):
			return w.visit(path, v.Elem(), at)
		}
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice && v.Len() > 0 && !w.first(v, v.Len()) {
			return nil
		}
		for i := range v.Len() {
			if err := w.visit(join(path, strconv.Itoa(i)), v.Index(i), at); err != nil {
				return err
			}
		}
	case reflect.Map:
		return w.entries(path, v, at)
	case reflect.Struct:
		return w.fields(path, v, at)
	}
	return nil
}

// first reports whether v is seen for the first time.
func (w *walker) first(v reflect.Value, n int) bool {
	k := visit{v.Pointer(), n, v.Type()}
	if w.seen[k] {
		return false
	}
	w.seen[k] = true
	return true
}

func (w *walker) entries(path string, v reflect.Value, at place) error {
	if v.Type().Key().Kind() != reflect.String || v.Len() == 0 || !w.first(v, 0) {
		return nil
	}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	for _, k := range keys {
		if err := w.visit(join(path, k.String()), v.MapIndex(k), at); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) fields(path string, v reflect.Value, at place) error {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, in := f.Tag.Get("nn"), at
		if !f.IsExported() && !f.Anonymous {
			// Whether parameters hide there is worth a look, but not how others' types
			// keep theirs.
			if at.hidden != "" {
				continue
			}
			in.hidden = v.Type().Name() + "." + f.Name
		}
		sub := path
		switch {
		case name == "-":
			continue
		case name != "":
			sub = join(path, name)
		case !f.Anonymous:
			sub = join(path, snake(f.Name))
		}
		if err := w.visit(sub, v.Field(i), in); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) add(path string, p *graph.Variable) {
	if w.listed[p] {
		return
	}
	w.listed[p] = true
	if path != "" {
		p.SetName(path)
	}
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
