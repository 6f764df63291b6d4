package kernel

import (
	"fmt"

	"dumbtorch/ir/types"
)

// maxFold bounds the points of one fold.
const maxFold = types.MaxElements

// check checks the sorts and types of an expression's operands and its own
// type, apart from where it stands.
func (e *Expr) check() error {
	sorts, ok := operandSorts[e.Kind]
	switch {
	case !ok:
		return fmt.Errorf("expression of kind %d", e.Kind)
	case e.Kind == Call && (e.Op == NoOp || e.Op >= opEnd):
		return fmt.Errorf("operation %d does not exist", e.Op)
	case e.Kind == Call && len(e.Args) != e.Op.Info().Arity:
		return fmt.Errorf("%s takes %d operands, got %d", e.Op, e.Op.Info().Arity, len(e.Args))
	case sorts.count >= 0 && len(e.Args) != sorts.count:
		return fmt.Errorf("%s takes %d operands, got %d", sorts.name, sorts.count, len(e.Args))
	}
	for i, a := range e.Args {
		want := sorts.rest
		if i == 0 {
			want = sorts.first
		}
		if got := sortOf(a); got != want {
			return fmt.Errorf("operand %d of %s is %s and should be %s", i, e.name(), got, want)
		}
	}
	return e.checkKind()
}

// A sort is one of the three worlds of expressions.
type sort string

const (
	indexSort sort = "an index"
	predSort  sort = "a predicate"
	dataSort  sort = "data"
)

func sortOf(e *Expr) sort {
	switch {
	case e == nil:
		return "nothing"
	case e.IsIndex():
		return indexSort
	case e.IsPred():
		return predSort
	}
	return dataSort
}

// operandSorts tells the number of operands (-1: any) and their sorts.
var operandSorts = map[Kind]struct {
	name        string
	count       int
	first, rest sort
}{
	Int:        {"a constant", 0, "", ""},
	Var:        {"an axis", 0, "", ""},
	Affine:     {"a sum", -1, indexSort, indexSort},
	FloorDiv:   {"div", 1, indexSort, ""},
	FloorMod:   {"mod", 1, indexSort, ""},
	CheckIndex: {"check", 1, dataSort, ""},
	True:       {"true", 0, "", ""},
	False:      {"false", 0, "", ""},
	Ge0:        {"ge0", 1, indexSort, ""},
	Eq0:        {"eq0", 1, indexSort, ""},
	AllOf:      {"all", -1, predSort, predSort},
	Const:      {"const", 0, "", ""},
	Call:       {"", -1, dataSort, dataSort},
	Cast:       {"cast", 1, dataSort, ""},
	Select:     {"select", 3, dataSort, dataSort},
	If:         {"if", 3, predSort, dataSort},
	FromIndex:  {"index", 1, indexSort, ""},
	FromPred:   {"pred", 1, predSort, ""},
	Load:       {"load", 1, indexSort, ""},
	Fold:       {"fold", 1, dataSort, ""},
}

func (e *Expr) name() string {
	if e.Kind == Call {
		return e.Op.String()
	}
	return operandSorts[e.Kind].name
}

// checkKind checks what is particular to the kind; the operands' number and
// sorts are right.
func (e *Expr) checkKind() error {
	if e.IsData() && e.DType.Kind() == types.KindInvalid {
		return fmt.Errorf("%s has no element type", e.name())
	}
	same := func(args ...*Expr) error {
		for _, a := range args {
			if a.DType != e.DType {
				return fmt.Errorf("%s of type %v has an operand of type %v", e.name(), e.DType, a.DType)
			}
		}
		return nil
	}
	switch e.Kind {
	case FloorDiv, FloorMod:
		if e.Int < 2 || e.Int > maxBound {
			return fmt.Errorf("%s by %d", e.name(), e.Int)
		}
	case CheckIndex:
		if e.Int < 1 || e.Int > maxBound || e.Site < 0 || !e.Args[0].DType.IsInt() {
			return fmt.Errorf("check of data of type %v against %d at site %d", e.Args[0].DType, e.Int, e.Site)
		}
	case Call:
		return e.checkCall()
	case Select:
		if e.Args[0].DType != types.Bool {
			return fmt.Errorf("select by data of type %v", e.Args[0].DType)
		}
		return same(e.Args[1:]...)
	case If:
		return same(e.Args[1:]...)
	case Cast:
		if from := e.Args[0].DType; from.IsHalf() && e.DType != types.F32 || e.DType.IsHalf() && from != types.F32 {
			return fmt.Errorf("cast of %v to %v, which goes through f32", from, e.DType)
		}
	case FromIndex:
		if !e.DType.IsInt() {
			return fmt.Errorf("an index as %v", e.DType)
		}
	case FromPred:
		if e.DType != types.Bool {
			return fmt.Errorf("a predicate as %v", e.DType)
		}
	case Fold:
		if err := e.checkFold(); err != nil {
			return err
		}
		return same(e.Args...)
	}
	return nil
}

func (e *Expr) checkFold() error {
	switch e.Op {
	case Add, Mul, Max, Min:
		if e.DType.IsHalf() || e.DType == types.Bool && (e.Op == Add || e.Op == Mul) {
			return fmt.Errorf("fold %s of %v", e.Op, e.DType)
		}
	default:
		return fmt.Errorf("fold with %s; folds are add, mul, max and min", e.Op)
	}
	if len(e.Axes) == 0 {
		return fmt.Errorf("a fold over no axes")
	}
	n := 1
	for i, a := range e.Axes {
		for _, o := range e.Axes[:i] {
			if o == a {
				return fmt.Errorf("axis %s is folded twice", a.Name)
			}
		}
		if a.Extent > maxFold/n {
			return fmt.Errorf("a fold over more than 2^48 points")
		}
		n *= max(1, a.Extent)
	}
	return nil
}

// checkCall checks types against the operation: floating-point functions, bits
// of integers, arithmetic on numbers.
func (e *Expr) checkCall() error {
	d := e.Args[0].DType
	if e.Op == Bitcast {
		if d.Size() != e.DType.Size() || d == types.Bool || e.DType == types.Bool || d.IsHalf() {
			return fmt.Errorf("bitcast of %v to %v", d, e.DType)
		}
		return nil
	}
	for _, a := range e.Args[1:] {
		if a.DType != d {
			return fmt.Errorf("%s of %v and %v", e.Op, d, a.DType)
		}
	}
	if d.IsHalf() {
		return fmt.Errorf("%s of %v, which is converted to f32 first", e.Op, d)
	}
	ok := true
	switch e.Op {
	case Not, And, Or, Xor:
		ok = !d.IsFloat()
	case Shl, Shr:
		ok = d.IsInt()
	case Max, Min, Lt, Le, Eq, Ne:
	default:
		ok = d != types.Bool && (d.IsFloat() || !e.Op.Info().Float)
	}
	if !ok {
		return fmt.Errorf("%s of %v", e.Op, d)
	}
	if want := e.Op.Result(d); want != e.DType {
		return fmt.Errorf("%s of %v gives %v, not %v", e.Op, d, want, e.DType)
	}
	return nil
}
