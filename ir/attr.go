package ir

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"

	"dumbtorch/ir/internal/lex"
)

// attrFields is the one table of attributes: the name that records and the text
// form use, and the field of [Attr].
var attrFields = []struct {
	name  string
	field func(a *Attr) any // *string, *[]int, *float64, *int64 or *[]byte
}{
	{"name", func(a *Attr) any { return &a.Name }},
	{"labels", func(a *Attr) any { return &a.Labels }},
	{"axes", func(a *Attr) any { return &a.Axes }},
	{"dims", func(a *Attr) any { return &a.Dims }},
	{"start", func(a *Attr) any { return &a.Start }},
	{"step", func(a *Attr) any { return &a.Step }},
	{"size", func(a *Attr) any { return &a.Size }},
	{"value", func(a *Attr) any { return &a.Value }},
	{"int", func(a *Attr) any { return &a.Int }},
	{"data", func(a *Attr) any { return &a.Data }},
	{"mode", func(a *Attr) any { return &a.Mode }},
}

// field returns a pointer to the attribute of the given name, or nil.
func (a *Attr) field(name string) any {
	for _, f := range attrFields {
		if f.name == name {
			return f.field(a)
		}
	}
	return nil
}

// isZero reports whether an attribute has the value that is not written; a
// negative zero is written.
func isZero(field any) bool {
	switch p := field.(type) {
	case *string:
		return *p == ""
	case *[]int:
		return len(*p) == 0
	case *float64:
		return math.Float64bits(*p) == 0
	case *int64:
		return *p == 0
	case *[]byte:
		return len(*p) == 0
	}
	return true
}

// optional tells which attributes may be left out of the text where they are
// zero. The value of a constant is always written.
func optional(op Op, attr string) bool {
	return op != OpConst && (attr == "mode" || attr == "value" || attr == "int")
}

// written returns the names of the attributes that the text of the node shows.
// A constant shows the one of its two values that its type uses.
func (n *Node) written() []string {
	d := opDef(n.Op)
	if d == nil {
		return nil
	}
	var names []string
	for _, name := range d.Attrs {
		switch {
		case n.Op == OpConst && (name == "value") != n.DType().IsFloat():
		case optional(n.Op, name) && isZero(n.Attr.field(name)):
		default:
			names = append(names, name)
		}
	}
	return names
}

// attrText returns the text of an attribute.
func attrText(field any, dims map[int]string) string {
	switch p := field.(type) {
	case *string:
		return strconv.Quote(*p)
	case *[]int:
		return listText(*p, dims)
	case *float64:
		return lex.FormatFloat(*p, 64)
	case *int64:
		return strconv.FormatInt(*p, 10)
	case *[]byte:
		return "0x" + hex.EncodeToString(*p)
	}
	return fmt.Sprint(field)
}

// listText returns sizes as "[64,784]", those of named dimensions by name.
func listText(list []int, dims map[int]string) string {
	var b strings.Builder
	b.WriteByte('[')
	for i, v := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		if name, ok := dims[v]; ok {
			b.WriteString(lex.Quote(name))
		} else {
			b.WriteString(strconv.Itoa(v))
		}
	}
	b.WriteByte(']')
	return b.String()
}
