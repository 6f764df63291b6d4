package kernel

import (
	"cmp"
	"slices"
)

// Terms and conjuncts are ordered by their structure, down to the order of the
// axes and of the data in the builder. An order by creation would depend on
// what else was built; a kernel that is printed and parsed keeps this one.

// compareIndex orders index expressions of one builder. It returns 0 for equal
// ones only.
func compareIndex(a, b *Expr) int {
	if a == b {
		return 0
	}
	if c := cmp.Compare(a.Kind, b.Kind); c != 0 {
		return c
	}
	switch a.Kind {
	case Var:
		return cmp.Compare(a.Axes[0].bit, b.Axes[0].bit)
	case CheckIndex:
		return cmp.Or(cmp.Compare(a.Args[0].id, b.Args[0].id), cmp.Compare(a.Int, b.Int), cmp.Compare(a.Site, b.Site))
	}
	return cmp.Or(slices.CompareFunc(a.Args, b.Args, compareIndex), slices.Compare(a.Coef, b.Coef), cmp.Compare(a.Int, b.Int))
}

// comparePred orders predicates of one builder.
func comparePred(a, b *Expr) int {
	if a == b {
		return 0
	}
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), slices.CompareFunc(a.Args, b.Args, func(x, y *Expr) int {
		if x.IsPred() {
			return comparePred(x, y)
		}
		return compareIndex(x, y)
	}))
}
