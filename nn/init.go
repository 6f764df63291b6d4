package nn

import (
	"fmt"
	"math"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/tensor"
)

// Random initialisers draw element i of a variable from a SplitMix64 stream
// that starts at the given seed: the same numbers on every machine.
type splitmix uint64

func (s *splitmix) next() uint64 {
	*s += 0x9E3779B97F4A7C15
	z := uint64(*s)
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// float returns a number in [0,1) of 53 bits.
func (s *splitmix) float() float64 { return float64(s.next()>>11) / (1 << 53) }

// fill sets every element to f().
func fill(t *tensor.Tensor, f func() float64) error {
	switch t.DType() {
	case types.F32:
		d, err := tensor.Data[float32](t)
		if err != nil {
			return err
		}
		for i := range d {
			d[i] = float32(f())
		}
	case types.F64:
		d, err := tensor.Data[float64](t)
		if err != nil {
			return err
		}
		for i := range d {
			d[i] = f()
		}
	default:
		return fmt.Errorf("random initialisation of %v: only floating-point types", t.Type())
	}
	return nil
}

// Uniform draws from [lo, hi): torch.nn.init.uniform_.
func Uniform(lo, hi float64) graph.Initializer {
	return func(t *tensor.Tensor, seed uint64) error {
		s := splitmix(seed)
		return fill(t, func() float64 { return float64(s.float()*(hi-lo)) + lo })
	}
}

// Normal draws from a normal distribution by the Box-Muller transform:
// torch.nn.init.normal_.
func Normal(mean, std float64) graph.Initializer {
	return func(t *tensor.Tensor, seed uint64) error {
		s := splitmix(seed)
		return fill(t, func() float64 {
			u, v := 1-s.float(), s.float()
			z := math.Sqrt(-2*math.Log(u)) * math.Cos(2*math.Pi*v)
			return float64(z*std) + mean
		})
	}
}

// Zeros sets all elements to 0.
func Zeros() graph.Initializer { return Constant(0) }

// Constant sets all elements to v.
func Constant(v float64) graph.Initializer {
	return func(t *tensor.Tensor, _ uint64) error { return fill(t, func() float64 { return v }) }
}

// KaimingUniform draws uniformly with bound
// gain*sqrt(3/fan_in), where fan_in is the product of all dimensions but the
// first: torch.nn.init.kaiming_uniform_. The gain of ReLU is sqrt 2.
func KaimingUniform(gain float64) graph.Initializer {
	return func(t *tensor.Tensor, seed uint64) error {
		in, _ := fans(t.Shape())
		bound := gain * math.Sqrt(3/float64(max(1, in)))
		return Uniform(-bound, bound)(t, seed)
	}
}

// XavierUniform draws uniformly with bound gain*sqrt(6/(fan_in+fan_out)):
// torch.nn.init.xavier_uniform_.
func XavierUniform(gain float64) graph.Initializer {
	return func(t *tensor.Tensor, seed uint64) error {
		in, out := fans(t.Shape())
		bound := gain * math.Sqrt(6/float64(max(1, in+out)))
		return Uniform(-bound, bound)(t, seed)
	}
}

// fans returns fan_in and fan_out of a weight [out,in,...].
func fans(s types.Shape) (in, out int) {
	if len(s) == 0 {
		return 1, 1
	}
	field := 1
	for _, d := range s[min(2, len(s)):] {
		field *= d
	}
	in = s[0]
	if len(s) > 1 {
		in = s[1]
	}
	return in * field, s[0] * field
}
