package data

import (
	"errors"
	"fmt"
	"strconv"

	"dumbtorch/ir/types"
)

// newCell returns what reads cells of an element type, or words of classes.
func newCell(d types.DType, classes []string) (cell, error) {
	if classes != nil {
		return newClasses(d, classes)
	}
	switch d {
	case types.Bool:
		return &cells[bool]{one: parseBool}, nil
	case types.U8:
		return &cells[uint8]{one: func(s string) (uint8, error) {
			v, err := strconv.ParseUint(s, 10, 8)
			return uint8(v), notA(d, err)
		}}, nil
	case types.I32:
		return &cells[int32]{one: func(s string) (int32, error) {
			v, err := strconv.ParseInt(s, 10, 32)
			return int32(v), notA(d, err)
		}}, nil
	case types.I64:
		return &cells[int64]{one: func(s string) (int64, error) {
			v, err := strconv.ParseInt(s, 10, 64)
			return v, notA(d, err)
		}}, nil
	case types.F16:
		return halves(d, types.ToFloat16, types.Float16.Float32), nil
	case types.BF16:
		return halves(d, types.ToBFloat16, types.BFloat16.Float32), nil
	case types.F32:
		return &cells[float32]{one: func(s string) (float32, error) { return parseFloat(d, s) }}, nil
	case types.F64:
		return &cells[float64]{one: func(s string) (float64, error) {
			v, err := strconv.ParseFloat(s, 64)
			return v, notA(d, err)
		}}, nil
	}
	return nil, fmt.Errorf("element type %s cannot be read from text", d)
}

// halves reads numbers as f32 and rounds them, as all conversions do.
func halves[T types.Float16 | types.BFloat16](d types.DType, round func(float32) T, back func(T) float32) cell {
	return &cells[T]{one: func(s string) (T, error) {
		v, err := parseFloat(d, s)
		h := round(v)
		if w := back(h); err == nil && w-w != 0 && v-v == 0 {
			err = outOfRange(d)
		}
		return h, err
	}}
}

func parseFloat(d types.DType, s string) (float32, error) {
	v, err := strconv.ParseFloat(s, 32)
	return float32(v), notA(d, err)
}

func parseBool(s string) (bool, error) {
	v, err := strconv.ParseBool(s)
	return v, notA(types.Bool, err)
}

// notA words an error of strconv to follow the cell.
func notA(d types.DType, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, strconv.ErrRange):
		return outOfRange(d)
	case d == types.Bool:
		return errors.New("is neither true nor false")
	case d.IsFloat():
		return errors.New("is not a number")
	}
	return errors.New("is not an integer")
}

func outOfRange(d types.DType) error { return fmt.Errorf("is out of the range of %s", d) }

// newClasses returns what reads words as their positions.
func newClasses(d types.DType, classes []string) (cell, error) {
	at := map[string]int{}
	for i, c := range classes {
		if _, twice := at[c]; twice {
			return nil, fmt.Errorf("class %q is given twice", c)
		}
		at[c] = i
	}
	find := func(s string) (int, error) {
		i, ok := at[s]
		if !ok {
			return 0, fmt.Errorf("is none of the %d classes", len(classes))
		}
		return i, nil
	}
	switch d {
	case types.U8:
		if len(classes) > 256 {
			return nil, fmt.Errorf("%d classes are more than u8 can tell apart", len(classes))
		}
		return positions[uint8](find), nil
	case types.I32:
		return positions[int32](find), nil
	case types.I64:
		return positions[int64](find), nil
	}
	return nil, fmt.Errorf("classes are u8, i32 or i64, not %s", d)
}

func positions[T uint8 | int32 | int64](find func(string) (int, error)) cell {
	return &cells[T]{one: func(s string) (T, error) {
		i, err := find(s)
		return T(i), err
	}}
}
