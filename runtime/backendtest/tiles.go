package backendtest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// A tiling is a tiled kernel of attention's structure, see [tiling.draft]:
// batch*splits blocks, each of rows/splits rows.
type tiling struct {
	d                         types.DType
	batch, rows, cols, points int
	splits                    int
	general                   bool // a stage that cannot run block by block
	transposed                bool // the second operand of products
}

func (c tiling) String() string {
	s := fmt.Sprintf("%s %dx%dx%dx%d in %d", c.d, c.batch, c.rows, c.cols, c.points, c.batch*c.splits)
	if c.general {
		s += " general"
	}
	if c.transposed {
		s += " transposed"
	}
	return s
}

// stage is a kernel under construction with the axes of [tiling.stage].
type stage struct {
	*product
	block, row, col, point []*kernel.Axis // row without the block's part
}

// stage makes axes: those of the blocks, then a block's rows, columns, and, for a
// product, the points of a vector.
func (c tiling) stage(name string, points bool) *stage {
	s := &stage{product: &product{maker: newMaker(name)}}
	s.block = s.axes(c.batch)
	if c.splits > 1 {
		s.block = append(s.block, s.axes(c.splits)...)
	}
	s.row, s.col = s.axes(c.rows/c.splits), s.axes(c.cols)
	if points {
		s.point = s.axes(c.points)
	}
	return s
}

// full are the axes of a value of rows.
func (s *stage) full(inner []*kernel.Axis) []*kernel.Axis { return join(s.block, s.row, inner) }

// shared are the axes of what all rows of a batch use, [batch,cols,points].
func (s *stage) shared(c tiling) []*kernel.Axis {
	if c.transposed {
		return join(s.block[:1], s.point, s.col)
	}
	return join(s.block[:1], s.col, s.point)
}

// contract is the kernel of a product over the fold's axes.
func (s *stage) contract(n, k []*kernel.Axis) *kernel.Kernel {
	return s.blocks(s.done(kernel.Schedule{Form: kernel.Contract, Contract: &kernel.Contraction{
		Fold: s.fold, A: s.a, B: s.b, Batch: s.block, M: s.row, N: n, K: k,
	}}))
}

// blocks adds the block axes to a kernel.
func (s *stage) blocks(k *kernel.Kernel) *kernel.Kernel {
	k.Sched.Block = s.block
	return k
}

// product makes the stage z[block,row,n] = sum over k of x*y, plus r[row] if
// there is one.
func (c tiling) product(name string, scores bool) *kernel.Kernel {
	s := c.stage(name, true)
	n, k := s.col, s.point
	if !scores {
		n, k = k, n
	}
	x, y := s.read(c.d, s.full(k)...), s.read(c.d, s.shared(c)...)
	s.a, s.b = x, y
	s.fold = s.sum(s.mul(x, y), k...)
	z := s.fold
	if !scores {
		z = s.add(z, s.read(c.d, s.full(nil)...))
	}
	s.write(z, s.full(n)...)
	return s.contract(n, k)
}

// sums makes the stage z[batch,col,point] = sum of x[row,col]*y[row,point] over
// all rows: where they are in several blocks, one adds to what the one before
// has left.
func (c tiling) sums() *kernel.Kernel {
	s := c.stage("sums", true)
	x, y := s.read(c.d, s.full(s.col)...), s.read(c.d, s.full(s.point)...)
	rows := join(s.block[1:], s.row)
	z := s.sum(s.mul(x, y), rows...)
	s.write(z, join(s.block[:1], s.col, s.point)...)
	return s.blocks(s.done(kernel.Schedule{Form: kernel.Contract, Contract: &kernel.Contraction{
		Fold: z, A: x, B: y, Batch: s.block[:1], M: s.col, N: s.point, K: rows,
	}}))
}

// below makes the stage of row values: z = x-max(x) over the columns, and the
// maxima.
func (c tiling) below() *kernel.Kernel {
	s := c.stage("below", false)
	x := s.read(c.d, s.full(s.col)...)
	top := s.FoldAxes(kernel.Max, s.col, x)
	s.write(s.sub(x, top), s.full(s.col)...)
	s.write(top, s.full(nil)...)
	if c.general {
		return s.blocks(s.general())
	}
	return s.blocks(s.rows(s.full(nil), s.col))
}

// signs makes the stage z = x < y of all scores, whose values nothing else
// reads.
func (c tiling) signs() *kernel.Kernel {
	s := c.stage("signs", false)
	x, y := s.read(c.d, s.full(s.col)...), s.read(c.d, s.full(s.col)...)
	s.write(s.Bin(kernel.Lt, x, y), s.full(s.col)...)
	return s.blocks(s.pointwise())
}

// kernel is the tiled kernel: of x [batch,rows,points] and y, [batch,cols,points]
// or transposed, it makes scores, their differences to the maximum of each row,
// which is a result that a later stage reads, the product of the differences with
// y, and that of the differences with x over the rows. Two local values are of the
// size of the scores.
func (c tiling) kernel() *kernel.Kernel {
	scores, rows := c.batch*c.rows*c.cols, c.batch*c.rows
	x, y := c.batch*c.rows*c.points, c.batch*c.cols*c.points
	return &kernel.Kernel{
		Name: "tiles",
		Params: []kernel.Param{
			{DType: c.d, Len: x}, {DType: c.d, Len: y},
			{DType: c.d, Len: rows, Out: true}, {DType: c.d, Len: x, Out: true}, {DType: types.Bool, Len: scores, Out: true},
			{DType: c.d, Len: y, Out: true},
		},
		Locals: []kernel.Param{{DType: c.d, Len: scores}, {DType: c.d, Len: scores}},
		Stages: []kernel.Stage{
			{Kernel: c.product("scores", true), Args: []int{0, 1, 6}},
			{Kernel: c.below(), Args: []int{6, 7, 2}},
			{Kernel: c.product("values", false), Args: []int{7, 1, 2, 3}},
			{Kernel: c.signs(), Args: []int{6, 7, 4}},
			{Kernel: c.sums(), Args: []int{7, 0, 5}},
		},
		Sched: kernel.Schedule{Form: kernel.Tiles, Blocks: c.batch * c.splits},
	}
}

// draft is the program of the tiled kernel, between other launches.
func (c tiling) draft(seed uint64) *draft {
	d := newDraft()
	k := c.kernel()
	n := func(i int) int { return k.Params[i].Len }
	x, y := d.input(whole(c.d, n(0), seed)), d.input(whole(c.d, n(1), seed+1))
	x2, top, z := d.temp(c.d, n(0)), d.temp(c.d, n(2)), d.temp(c.d, n(3))
	d.launch(doubleOf(c.d, n(0)), x, x2)
	d.launch(k, x2, y, top, z, d.output(types.Bool, n(4)), d.output(c.d, n(5)))
	d.launch(doubleOf(c.d, n(2)), top, d.output(c.d, n(2)))
	d.launch(doubleOf(c.d, n(3)), z, d.output(c.d, n(3)))
	return d
}

// testTiles runs tiled kernels of odd sizes with blocks that are whole batches
// and parts of them, also of a stage that does not run block by block.
func testTiles(t *testing.T, s *suite) {
	for _, c := range []tiling{
		{batch: 2, rows: 2, cols: 2, points: 2, splits: 1},
		{batch: 3, rows: 7, cols: 9, points: 5, splits: 1},
		{batch: 2, rows: 33, cols: 65, points: 17, splits: 3},
		{batch: 5, rows: 12, cols: 130, points: 3, splits: 6},
		{batch: 2, rows: 64, cols: 31, points: 16, splits: 2, transposed: true},
		{batch: 7, rows: 15, cols: 3, points: 33, splits: 5, transposed: true},
		{batch: 3, rows: 8, cols: 9, points: 5, splits: 2, general: true},
		{batch: 2, rows: 35, cols: 18, points: 7, splits: 1, general: true, transposed: true},
	} {
		for _, c.d = range []types.DType{types.F32, types.F64, types.I32} {
			t.Run(c.String(), func(t *testing.T) { s.check(t, c.draft(1), Exact) })
		}
	}
	t.Run("random", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) {
			n := func(name string, from, to int) int { return rapid.IntRange(from, to).Draw(rt, name) }
			c := tiling{
				d:     rapid.SampledFrom([]types.DType{types.F32, types.F64, types.I32, types.I64}).Draw(rt, "type"),
				batch: n("batch", 2, 4), cols: n("cols", 2, 40), points: n("points", 2, 20), splits: n("splits", 1, 4),
				general: n("general", 0, 3) == 0, transposed: rapid.Bool().Draw(rt, "transposed"),
			}
			c.rows = c.splits * n("rows", 2, 12)
			require.NoError(rt, c.kernel().Verify(), c)
			s.check(rt, c.draft(uint64(n("seed", 0, 9))), Exact)
		})
	})
}
