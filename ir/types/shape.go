package types

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Shape lists the sizes of a value's dimensions, outermost first; a scalar has
// none. Sizes are never negative.
type Shape []int

// MaxElements bounds the elements of one value, so that byte offsets and flat
// indices always fit 63 bits.
const MaxElements = 1 << 48

// Size returns the number of elements: the product of the dimensions.
func (s Shape) Size() int {
	n := 1
	for _, d := range s {
		n *= d
	}
	return n
}

// Check returns an error if a dimension is negative or the shape holds more
// than [MaxElements] elements.
func (s Shape) Check() error {
	n := 1
	zero := false
	for i, d := range s {
		if d < 0 {
			return fmt.Errorf("dimension %d of %v is negative", i, s)
		}
		if d == 0 {
			zero = true
			continue
		}
		if n > MaxElements/d {
			if zero || slices.Contains(s[i:], 0) {
				return nil
			}
			return fmt.Errorf("shape %v has more than 2^48 elements", s)
		}
		n *= d
	}
	return nil
}

// Equal reports whether two shapes have the same dimensions.
func (s Shape) Equal(t Shape) bool { return slices.Equal(s, t) }

// Clone returns a copy.
func (s Shape) Clone() Shape { return append(Shape{}, s...) }

// String returns the shape as in a type: "[64,784]"; "[]" for a scalar.
func (s Shape) String() string {
	var b strings.Builder
	b.WriteByte('[')
	for i, d := range s {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(d))
	}
	b.WriteByte(']')
	return b.String()
}

// Strides returns the row-major strides in elements.
func (s Shape) Strides() []int {
	st := make([]int, len(s))
	n := 1
	for i := len(s) - 1; i >= 0; i-- {
		st[i] = n
		n *= s[i]
	}
	return st
}

// ErrBroadcast is wrapped by the error of [Broadcast].
var ErrBroadcast = errors.New("shapes do not broadcast")

// Broadcast returns the shape that all the given shapes broadcast to, by
// NumPy's rule: aligned at the last dimension, missing dimensions count as 1,
// and a dimension of size 1 repeats to match.
func Broadcast(shapes ...Shape) (Shape, error) {
	rank := 0
	for _, s := range shapes {
		rank = max(rank, len(s))
	}
	out := make(Shape, rank)
	for i := range out {
		out[i] = 1
	}
	for _, s := range shapes {
		for i, d := range s {
			o := &out[rank-len(s)+i]
			switch {
			case *o == d || d == 1:
			case *o == 1:
				*o = d
			default:
				return nil, fmt.Errorf("%w: %s", ErrBroadcast, join(shapes))
			}
		}
	}
	return out, nil
}

func join(shapes []Shape) string {
	var ss []string
	for _, s := range shapes {
		ss = append(ss, s.String())
	}
	return strings.Join(ss, " with ")
}

// Type is the type of one value: its element type and its shape.
type Type struct {
	DType DType
	Shape Shape
}

// Of returns a type.
func Of(d DType, dims ...int) Type { return Type{d, append(Shape{}, dims...)} }

// Equal reports whether two types are the same.
func (t Type) Equal(u Type) bool { return t.DType == u.DType && t.Shape.Equal(u.Shape) }

// Bytes returns the bytes of a dense value of the type.
func (t Type) Bytes() int64 { return int64(t.Shape.Size()) * int64(t.DType.Size()) }

// String returns the text form: "f32[64,784]", "i64[]".
func (t Type) String() string { return t.DType.String() + t.Shape.String() }

// Parse reads the text form of a type.
func Parse(s string) (Type, error) {
	name, rest, ok := strings.Cut(s, "[")
	if !ok || !strings.HasSuffix(rest, "]") {
		return Type{}, fmt.Errorf("type %q is not of the form f32[2,3]", s)
	}
	d, err := ParseDType(name)
	if err != nil {
		return Type{}, err
	}
	sh := Shape{}
	if rest = strings.TrimSuffix(rest, "]"); rest != "" {
		for f := range strings.SplitSeq(rest, ",") {
			n, err := strconv.Atoi(f)
			if err != nil || n < 0 || n > math.MaxInt32*65536 || strconv.Itoa(n) != f {
				return Type{}, fmt.Errorf("type %q: %q is not a dimension", s, f)
			}
			sh = append(sh, n)
		}
	}
	if err := sh.Check(); err != nil {
		return Type{}, err
	}
	return Type{d, sh}, nil
}
