package ir

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// Gather and scatter-add over rows, with a batch label, and without labels left.
func TestIndexingEqualsLoops(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, feeds := NewBuilder("index"), map[*Node]array{}
		v, d, n, r := draw(t, 1, 4), draw(t, 0, 3), draw(t, 0, 4), draw(t, 0, 3)
		index := func(dims ...int) *Node {
			x := b.Input("i", types.Of(rapid.SampledFrom([]types.DType{types.I32, types.I64, types.U8}).Draw(t, "d"), dims...))
			for range x.Shape().Size() {
				feeds[x] = append(feeds[x], kernel.IntScalar(x.DType(), int64(draw(t, 0, v-1))))
			}
			return x
		}
		type form struct {
			gather, scatter    string
			table, index, elem []int
			row, pos           func(e []int) []int // element to table (axis 0 free) and to index
		}
		for _, f := range []form{
			{"vd,n->nd", "n,nd->vd", []int{v, d}, []int{n}, []int{n, d},
				func(e []int) []int { return []int{0, e[1]} }, func(e []int) []int { return e[:1] }},
			{"vr,rk->kr", "rk,kr->vr", []int{v, r}, []int{r, n}, []int{n, r},
				func(e []int) []int { return []int{0, e[1]} }, func(e []int) []int { return []int{e[1], e[0]} }},
			{"vr,r->r", "r,r->vr", []int{v, r}, []int{r}, []int{r},
				func(e []int) []int { return []int{0, e[0]} }, func(e []int) []int { return e }},
			{"v,->", ",->v", []int{v}, nil, nil, func([]int) []int { return []int{0} }, func([]int) []int { return nil }},
		} {
			i := index(f.index...)
			look := func(e []int) int {
				flat := 0
				for k, st := range i.Shape().Strides() {
					flat += st * f.pos(e)[k]
				}
				return int(feeds[i][flat].Int())
			}
			x := operand(t, b, feeds, types.F64, f.table...)
			check(t, b.Gather(f.gather, x, i), feeds, func(at func(int, ...int) float64, ix []int) float64 {
				row := slices.Clone(f.row(ix))
				row[0] = look(ix)
				return at(0, row...)
			})
			u := operand(t, b, feeds, types.F64, f.elem...)
			check(t, b.ScatterAdd(f.scatter, f.table, i, u), feeds, func(at func(int, ...int) float64, ix []int) float64 {
				sum := 0.0
				eachIndex(f.elem, func(e []int) {
					row := slices.Clone(f.row(e))
					row[0] = look(e)
					if slices.Equal(row, ix) {
						sum += at(1, e...)
					}
				})
				return sum
			})
		}
	})
}

// An index out of range is reported whatever the table is: of one row, constant
// along the axis, or constant altogether.
func TestIndexOutOfRangeIsReported(t *testing.T) {
	for _, bad := range []float64{-1, 3, 250} {
		for _, deep := range []bool{false, true} {
			b := NewBuilder("index")
			vs := newValues(t, deep)
			in := func(d types.DType, dims []int, fs ...float64) *Node {
				x := b.Input("x", types.Of(d, dims...))
				vs.of[x] = floatsOf(d, fs...)
				return x
			}
			i, scalar := in(types.I32, []int{2}, 0, bad), in(types.I32, nil, bad)
			row := in(types.F32, []int{1, 2}, 1, 2)
			one := in(types.F32, nil, 5)
			for name, n := range map[string]*Node{
				"rows":           b.Gather("vd,n->nd", in(types.F32, []int{3, 2}, 1, 2, 3, 4, 5, 6), i),
				"one row":        b.Gather("vd,n->nd", row, i),
				"repeated":       b.Gather("vd,n->nd", b.Broadcast(row, []int{3, 2}, []int{0, 1}), i),
				"constant":       b.Gather("vd,n->nd", b.Const(types.Of(types.F32, 3, 2), 4), i),
				"zero":           b.Gather("vd,n->nd", b.Const(types.Of(types.F32, 3, 2), 0), i),
				"element":        b.Gather("v,->", b.Reshape(one, 1), scalar),
				"scatter":        b.ScatterAdd("n,nd->vd", []int{3, 2}, i, b.Broadcast(row, []int{2, 2}, []int{0, 1})),
				"scatter to one": b.ScatterAdd("n,nd->vd", []int{1, 2}, i, b.Broadcast(row, []int{2, 2}, []int{0, 1})),
				"scatter zero":   b.ScatterAdd("n,nd->vd", []int{3, 2}, i, b.Const(types.Of(types.F32, 2, 2), 0)),
				"scatter scalar": b.ScatterAdd(",->v", []int{1}, scalar, one),
			} {
				vs.compute(n)
				require.Contains(t, vs.fired, n, name)
				require.Equal(t, int64(bad), vs.fired[n], name)
			}
		}
	}
}

func TestIntegerDivisionByZeroIsReported(t *testing.T) {
	for _, op := range []Op{OpDiv, OpRem} {
		b := NewBuilder("div")
		vs := newValues(t, false)
		x, y := b.Input("x", types.Of(types.I64, 3)), b.Input("y", types.Of(types.I64, 3))
		vs.of[x], vs.of[y] = floatsOf(types.I64, 5, 6, 7), floatsOf(types.I64, 1, 0, 3)
		for _, n := range []*Node{
			b.Bin(op, x, y),
			b.Bin(op, x, b.ConstInt(x.Type, 0)),
			b.Bin(op, b.Iota(x.Type, 0), b.Iota(x.Type, 0)),
		} {
			vs.compute(n)
			require.Contains(t, vs.fired, n)
		}
		fine := b.Bin(op, x, b.ConstInt(x.Type, 2))
		vs.compute(fine)
		require.NotContains(t, vs.fired, fine)
	}
}
