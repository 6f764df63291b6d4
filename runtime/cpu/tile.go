package cpu

import (
	"slices"
	"unsafe"

	"dumbtorch/runtime/cpu/gemm"
)

// epilogue compiles the stores for one row of a tile of C, which the executor
// puts into the register acc.
func (c *compiler) epilogue(b *builder, x *contraction) {
	n := b.open()
	rows := slices.Concat(x.batchAxes, x.rows)
	slots := b.bindEnv(n, rows)
	b.bindLanes(n, &space{axes: x.cols}, x.tileCols())
	acc := b.in(n, func() value {
		acc := b.reg(full, x.d.Size())
		b.regs[acc.r].placed = true
		b.subst[x.fold] = source{reg: &acc}
		all := make([]int, len(c.k.Stores))
		for i := range all {
			all[i] = i
		}
		b.stores(c.k, all)
		delete(b.subst, x.fold)
		return acc
	})
	b.emit(instr{fn: runTileRows, name: "tile", kind: productTile, dst: none, a: none, b: none, c: none, body: n.code,
		width: x.d.Size(), imm: int64(points(x.rows)), loop: newLoop(slots, rows, 0), acc: acc.r})
}

// tileCols bounds the columns of a tile of the result.
func (x *contraction) tileCols() int {
	rows, cols := x.gemm.TileSize()
	if x.turned {
		return rows
	}
	return cols
}

// A tile is a finished tile of C on its way through the epilogue.
type tile struct {
	c              unsafe.Pointer
	ldc            int
	m0, m1, n0, n1 int
	batch          int
}

// runTileRows runs the body for every row of the state's tile.
func runTileRows(st *state, in *instr) {
	t := &st.tile
	st.pos[full], st.n[full] = t.n0, t.n1-t.n0
	in.loop.seek(st.env, t.batch*int(in.imm)+t.m0)
	for m := t.m0; m < t.m1; m++ {
		st.ptr[in.acc] = unsafe.Add(t.c, (m-t.m0)*t.ldc*in.width)
		run(st, in.body)
		in.loop.advance(st.env)
	}
}

// A rectangle is how a generated loop that is all of an epilogue runs over a tile: pointers step from row to row.
type rectangle struct {
	code []instr // scalars, computed for each row
	mem  []rectStream
}

// A rectStream is a stream of the loop in a buffer.
type rectStream struct {
	memStream
	stride int // from row to row, in elements
	load   bool
}

// squareTiles replaces the rows of an epilogue by rectangles where one generated loop does it all, reading and writing
// memory that is contiguous along a row.
func (p *phase) squareTiles(b *builder, x *contraction) {
	for i := range p.code {
		in := &p.code[i]
		if in.name != "tile" {
			continue
		}
		if r := b.rectangle(in, len(x.rows)); r != nil {
			in.fn, in.name, in.rect = runRectangle, "tile.2d", r
			x.tile = in
		}
	}
}

// rectangle returns how the tile in runs as a rectangle, or nil.
func (b *builder) rectangle(in *instr, rows int) *rectangle {
	r := &rectangle{}
	loads := map[reg]*instr{}
	var lane *laneLoop
	for i := range in.body {
		switch x := &in.body[i]; {
		case x.lane != nil && lane == nil && len(x.lane.outs) == 0 && !x.lane.rows && x.lane.scratch == none &&
			!slices.ContainsFunc(x.lane.scalars, func(s laneScalar) bool { return s.aff != nil }):
			lane = x.lane
		case x.places && x.cl == full && len(x.aff.dims) == 1 && x.aff.dims[0].coef == 1:
			loads[x.dst] = x
		case x.cl == scalar && lane == nil && x.body == nil && x.dst != none:
			r.code = append(r.code, *x)
		default:
			return nil
		}
	}
	if lane == nil {
		return nil
	}
	add := func(m memStream, load bool) bool {
		stride, ok := rowStride(m.aff, in.loop, rows)
		r.mem = append(r.mem, rectStream{m, stride, load})
		return ok && len(m.aff.regs) == 0
	}
	for _, x := range lane.ins {
		if x.r == in.acc {
			continue
		}
		ld := loads[x.r]
		if ld == nil || !add(memStream{buf: ld.buf, size: b.regs[ld.dst].size, aff: ld.aff, n: x.n}, true) {
			return nil
		}
	}
	if slices.ContainsFunc(lane.mems, func(m memStream) bool { return !add(m, false) }) {
		return nil
	}
	return r
}

// rowStride returns the step of an index from row to row of a tile, whose axes are the last rows slots of the loop.
func rowStride(a *affine, l *loop, rows int) (int, bool) {
	stride, extent := int64(0), int64(1)
	for i := len(l.slots) - 1; i >= len(l.slots)-rows; i-- {
		if l.extents[i] == 1 {
			continue
		}
		c := int64(0)
		for _, t := range a.axes {
			if t.at == l.slots[i] {
				c += t.coef
			}
		}
		if extent == 1 {
			stride = c
		} else if c != stride*extent {
			return 0, false
		}
		extent *= int64(l.extents[i])
	}
	return int(stride), true
}

// runRectangle runs a generated loop over the rows of the state's tile.
func runRectangle(st *state, in *instr) {
	t, r := &st.tile, in.rect
	l, args := in.body[len(in.body)-1].lane, st.args
	rows, n := t.m1-t.m0, t.n1-t.n0
	st.pos[full], st.n[full] = t.n0, n
	in.loop.seek(st.env, t.batch*int(in.imm)+t.m0)
	for _, s := range l.ins {
		if s.r == in.acc {
			args.Streams[s.n] = t.c
		}
	}
	flat := len(r.code) == 0 && t.ldc == n
	for i := range r.mem {
		m := &r.mem[i]
		at := int(m.aff.base(st)) + t.n0
		end, buf := at+(rows-1)*m.stride, &st.bufs[m.buf]
		if min(at, end) < 0 || max(at, end)+n > buf.n {
			panic("cpu: an epilogue leaves its buffer")
		}
		args.Streams[m.n] = unsafe.Add(buf.p, at*m.size)
		flat = flat && m.stride == n
	}
	if flat {
		n, rows = n*rows, 1
	}
	for row := range rows {
		run(st, r.code)
		if row == 0 || len(r.code) > 0 {
			l.setScalars(st)
		}
		l.loop.Run(args, 1, n)
		if row == rows-1 {
			return
		}
		for _, s := range l.ins {
			if s.r == in.acc {
				args.Streams[s.n] = unsafe.Add(args.Streams[s.n], t.ldc*in.width)
			}
		}
		for i := range r.mem {
			m := &r.mem[i]
			args.Streams[m.n] = unsafe.Add(args.Streams[m.n], m.stride*m.size)
		}
		if len(r.code) > 0 {
			in.loop.advance(st.env)
		}
	}
}

// aheadBytes is the size of a matrix from which on it pays to ask for its lines.
const aheadBytes = 1 << 17

// ahead appends to list what the epilogue of an item of the batch reads beside the product.
func (x *contraction) ahead(st *state, list []gemm.Ahead, item int) []gemm.Ahead {
	if x.tile == nil {
		return list
	}
	if x.turned {
		return list
	}
	x.tile.loop.seek(st.env, item*x.m)
	for i := range x.tile.rect.mem {
		m := &x.tile.rect.mem[i]
		if m.load && m.stride >= x.n && x.m*x.n*m.size >= aheadBytes {
			list = append(list, gemm.Ahead{Data: unsafe.Add(st.bufs[m.buf].p, int(m.aff.base(st))*m.size), Stride: m.stride * m.size, Size: m.size})
		}
	}
	return list
}
