package kernel

import (
	"errors"
	"fmt"
	"slices"
)

// A Stage is one kernel of a tiled kernel; see [Tiles].
type Stage struct {
	Kernel *Kernel
	// Args names, per parameter of Kernel, a parameter of the tiled kernel, or
	// from len(Params) on one of its Locals.
	Args []int
}

// checkTiles checks the stages of a tiled kernel: their kernels, what they read
// and write, and that blocks do not depend on one another.
func (k *Kernel) checkTiles() error {
	switch {
	case len(k.Stores) > 0 || len(k.Axes) > 0 || len(k.Sites) > 0:
		return errors.New("stores, axes or sites beside the stages of a tiled kernel")
	case len(k.Stages) == 0:
		return errors.New("a tiled kernel without stages")
	case k.Sched.Blocks < 1:
		return fmt.Errorf("a tiled kernel of %d blocks", k.Sched.Blocks)
	}
	values := slices.Concat(k.Params, k.Locals)
	writer := make([]int, len(values))
	inside := make([]bool, len(values)) // read after a stage has written it
	for i := range values {
		writer[i] = -1
		if i >= len(k.Params) && values[i].Out {
			return fmt.Errorf("local l%d is written for the outside", i-len(k.Params))
		}
	}
	for i, s := range k.Stages {
		if err := k.checkStage(s, values); err != nil {
			return fmt.Errorf("stage %d: %w", i, err)
		}
		for j, q := range s.Kernel.Params {
			a := s.Args[j]
			switch local := a >= len(k.Params); {
			case q.Out && writer[a] >= 0:
				return fmt.Errorf("stage %d writes %s, which stage %d wrote", i, k.valueName(a), writer[a])
			case q.Out && !local && !values[a].Out:
				return fmt.Errorf("stage %d writes %s, which is read", i, k.valueName(a))
			case q.Out:
				writer[a] = i
			case writer[a] >= 0:
				inside[a] = true
			case local || values[a].Out:
				return fmt.Errorf("stage %d reads %s, which nothing wrote", i, k.valueName(a))
			}
		}
	}
	for a, p := range values {
		if local := a >= len(k.Params); (local || p.Out) && writer[a] < 0 {
			return fmt.Errorf("no stage writes %s", k.valueName(a))
		}
		if a >= len(k.Params) {
			inside[a] = true
		}
	}
	for i, s := range k.Stages {
		if err := s.checkBlocks(k.Sched.Blocks, inside); err != nil {
			return fmt.Errorf("stage %d: %w", i, err)
		}
	}
	return nil
}

// valueName names a parameter or a local.
func (k *Kernel) valueName(a int) string {
	if a >= len(k.Params) {
		return fmt.Sprintf("l%d", a-len(k.Params))
	}
	return fmt.Sprintf("p%d", a)
}

func (k *Kernel) checkStage(s Stage, values []Param) error {
	switch {
	case s.Kernel == nil:
		return errors.New("no kernel")
	case s.Kernel.Sched.Form == Tiles:
		return errors.New("a tiled kernel within one")
	case len(s.Kernel.Sites) > 0:
		return errors.New("a check at run time")
	case len(s.Args) != len(s.Kernel.Params):
		return fmt.Errorf("%d values for the %d parameters of kernel %s", len(s.Args), len(s.Kernel.Params), s.Kernel.Name)
	}
	if err := s.Kernel.check(); err != nil {
		return err
	}
	for j, q := range s.Kernel.Params {
		a := s.Args[j]
		if a < 0 || a >= len(values) {
			return fmt.Errorf("value %d of %d", a, len(values))
		}
		if v := values[a]; v.DType != q.DType || v.Len != q.Len {
			return fmt.Errorf("%s is %v[%d], parameter p%d of kernel %s %v[%d]", k.valueName(a), v.DType, v.Len, j, s.Kernel.Name, q.DType, q.Len)
		}
		if q.Out && slices.Contains(s.Args[:j], a) {
			return fmt.Errorf("%s is written and read", k.valueName(a))
		}
	}
	return nil
}

// Summed returns the last block axes over which the stage sums: those of a
// product that is stored as it is. Blocks that differ in them alone run in order,
// each adding to what the ones before have stored.
func (s Stage) Summed() []*Axis {
	k := s.Kernel
	c := k.Sched.Contract
	if c == nil || len(k.Stores) != 1 || k.Stores[0].Value != c.Fold {
		return nil
	}
	block := k.Sched.Block
	n := len(block)
	for n > 0 && slices.Contains(c.K, block[n-1]) {
		n--
	}
	return block[n:]
}

// Steps returns how many blocks in a row a device must run in order: those over
// which a stage of a tiled kernel sums; 1 if none does.
func (k *Kernel) Steps() int {
	n := int64(1)
	for _, s := range k.Stages {
		n = max(n, points64(s.Summed()))
	}
	return int(n)
}

// checkBlocks checks that the stage can run block by block: its block axes lead
// in every store, no fold runs over one but that of [Stage.Summed], and the
// elements of a value inside the tiled kernel that a point reads or writes are of
// the point's own block.
func (s Stage) checkBlocks(blocks int, inside []bool) error {
	k := s.Kernel
	block := k.Sched.Block
	if points64(block) != int64(blocks) {
		return fmt.Errorf("kernel %s has %d blocks of %d", k.Name, points64(block), blocks)
	}
	kept := block[:len(block)-len(s.Summed())]
	for i, st := range k.Stores {
		if len(st.Axes) < len(kept) || !slices.Equal(st.Axes[:len(kept)], kept) {
			return fmt.Errorf("kernel %s: store %d does not run over the block axes first", k.Name, i)
		}
	}
	if len(kept) < len(block) && inside[s.Args[k.Stores[0].Param]] {
		return fmt.Errorf("kernel %s: a sum over blocks is read before it is whole", k.Name)
	}
	over := SetOf(kept)
	var err error
	at := func(param int, ix *Expr) {
		if a := s.Args[param]; err == nil && inside[a] && !inBlock(ix, block, k.Params[param].Len) {
			err = fmt.Errorf("kernel %s: the elements of p%d that a block uses are not those of the block", k.Name, param)
		}
	}
	Walk(k.Roots(), func(e *Expr) {
		switch {
		case e.Kind == Load:
			at(e.Param, e.Args[0])
		case e.Kind == Fold && SetOf(e.Axes)&over != 0:
			err = fmt.Errorf("kernel %s folds over a block axis", k.Name)
		}
	})
	for _, st := range k.Stores {
		at(st.Param, st.Index)
	}
	return err
}

// inBlock reports whether the element ix of a value of n elements is in the part
// of the value that belongs to the block: it is the number of the block times
// the length of a part, and something less than that length.
func inBlock(ix *Expr, block []*Axis, n int) bool {
	blocks := points64(block)
	if blocks == 0 || int64(n)%blocks != 0 {
		return false
	}
	part := int64(n) / blocks
	coef := map[*Axis]int64{}
	over := SetOf(block)
	plain := true
	lo := ix.Terms(func(c int64, arg *Expr) {
		switch {
		case arg.Kind == Var && over.Has(arg.Axes[0]):
			coef[arg.Axes[0]] = c
		case arg.Free()&over != 0:
			plain = false
		}
	})
	hi := lo
	ix.Terms(func(c int64, arg *Expr) {
		if arg.Free()&over == 0 {
			l, h := arg.Range()
			lo, hi = lo+min(c*l, c*h), hi+max(c*l, c*h)
		}
	})
	if !plain || lo < 0 || hi >= part {
		return false
	}
	for i := len(block) - 1; i >= 0; i-- {
		if a := block[i]; a.Extent > 1 {
			if coef[a] != part {
				return false
			}
			part *= int64(a.Extent)
		}
	}
	return true
}
