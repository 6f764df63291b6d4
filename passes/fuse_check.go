package passes

import (
	"fmt"

	"dumbtorch/ir"
)

// check returns an error unless every computing node is in one cluster, whose
// loops suit its rows and sinks, and no cluster depends on itself.
func (f *fusion) check() error {
	members := 0
	for _, k := range f.clusters {
		members += len(k.nodes)
		for _, n := range k.nodes {
			if f.of[n] != k {
				return fmt.Errorf("node %%%d is in cluster %d and in another one", n.ID, k.id)
			}
		}
		if _, ok := layoutOf(k.size, k.space, f.sinks(k)); !ok && k.contract == nil && k.size > 0 {
			return fmt.Errorf("cluster %d has no loops for its rows and sinks", k.id)
		}
	}
	if members != len(f.nodes) {
		return fmt.Errorf("%d nodes in clusters, %d to compute", members, len(f.nodes))
	}
	const visiting, done = 1, 2
	state := make([]int, len(f.clusters))
	var visit func(k *cluster) error
	visit = func(k *cluster) error {
		switch state[k.id] {
		case done:
			return nil
		case visiting:
			return fmt.Errorf("cluster %d depends on itself", k.id)
		}
		state[k.id] = visiting
		for _, n := range k.nodes {
			for _, r := range f.info[n].rels {
				if q := f.of[r.producer]; q != nil && q != k {
					if err := visit(q); err != nil {
						return err
					}
				}
			}
		}
		state[k.id] = done
		return nil
	}
	for _, k := range f.clusters {
		if err := visit(k); err != nil {
			return err
		}
	}
	for _, n := range f.nodes {
		if f.recomputed[n] && (f.info[n].folds || n.Op == ir.OpBarrier) {
			return fmt.Errorf("node %%%d, %s, is computed more than once", n.ID, n.Op)
		}
	}
	return nil
}
