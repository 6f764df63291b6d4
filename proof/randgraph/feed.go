package randgraph

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"

	"dumbtorch/ir/types"
	"dumbtorch/runtime/tensor"
)

// Feed returns the value of an input or variable of the given name and type. The
// name's letters say what it holds: "o" special numbers among others, "n5_"
// indices below 5, "rng.state" the seed of random numbers; all else small
// multiples of 1/4, and integers from -8 to 8.
func Feed(name string, t types.Type) (*tensor.Tensor, error) {
	h := fnv.New64a()
	h.Write([]byte(name))
	r := rand.New(rand.NewPCG(h.Sum64(), 1))
	x, err := tensor.New(t)
	if err != nil {
		return nil, err
	}
	flat, err := x.Reshape(x.Len())
	if err != nil {
		return nil, err
	}
	below := 0
	if digits, ok := strings.CutPrefix(name, "n"); ok {
		digits, _, _ = strings.Cut(digits, "_")
		below, _ = strconv.Atoi(digits)
	}
	for i := range x.Len() {
		var v float64
		switch d := t.DType; {
		case name == "rng.state":
			v = float64(i)
		case d == types.Bool:
			v = float64(r.IntN(2))
		case below > 0:
			v = float64(r.IntN(below))
		case d == types.U8:
			v = float64(r.IntN(9))
		case !d.IsFloat():
			v = float64(r.IntN(17) - 8)
		default:
			v = float64(r.IntN(33)-16) / 4
			if name[0] == 'o' && r.IntN(4) == 0 {
				v = []float64{math.Inf(1), math.Inf(-1), math.NaN(), math.Copysign(0, -1)}[r.IntN(4)]
			}
		}
		if err := flat.Set(v, i); err != nil {
			return nil, err
		}
	}
	return x, nil
}
