package nn

import (
	"errors"
	"fmt"
	"math"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
	"dumbtorch/nn/internal/splitmix"
	"dumbtorch/runtime/tensor"
)

// Random initialisers draw element after element from a SplitMix64 stream that
// starts at the given seed. Uniform numbers are the same on every machine,
// normal ones up to the last bit of its math.Log and math.Cos.

// fill sets every element to f().
func fill(t *tensor.Tensor, f func() float64) error {
	switch t.DType() {
	case types.F16:
		d, err := tensor.Data[types.Float16](t)
		if err != nil {
			return err
		}
		for i := range d {
			d[i] = types.ToFloat16(float32(f()))
		}
	case types.BF16:
		d, err := tensor.Data[types.BFloat16](t)
		if err != nil {
			return err
		}
		for i := range d {
			d[i] = types.ToBFloat16(float32(f()))
		}
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
		return fmt.Errorf("random numbers are floating-point, the variable is %v", t.Type())
	}
	return nil
}

// Uniform draws from [lo, hi): torch.nn.init.uniform_.
func Uniform(lo, hi float64) graph.Initializer {
	return func(t *tensor.Tensor, seed uint64) error {
		if !(lo <= hi) || math.IsInf(lo, 0) || math.IsInf(hi, 0) {
			return fmt.Errorf("uniform: bounds %v and %v are not finite and in order", lo, hi)
		}
		s := splitmix.New(seed)
		return fill(t, func() float64 { return float64(s.Float64()*(hi-lo)) + lo })
	}
}

// Normal draws from a normal distribution by the Box-Muller transform:
// torch.nn.init.normal_.
func Normal(mean, std float64) graph.Initializer {
	return func(t *tensor.Tensor, seed uint64) error {
		if !(std >= 0) || math.IsInf(std, 0) || mean-mean != 0 {
			return fmt.Errorf("normal: mean %v and standard deviation %v are not finite, the second at least 0", mean, std)
		}
		s := splitmix.New(seed)
		return fill(t, func() float64 {
			u, v := 1-s.Float64(), s.Float64()
			z := math.Sqrt(-2*math.Log(u)) * math.Cos(2*math.Pi*v)
			return float64(z*std) + mean
		})
	}
}

// Zeros sets all elements to 0: torch.nn.init.zeros_.
func Zeros() graph.Initializer { return Constant(0) }

// Ones sets all elements to 1: torch.nn.init.ones_.
func Ones() graph.Initializer { return Constant(1) }

// Constant sets all elements to v, which must be a value of the variable's
// element type, rounded for floating-point types: torch.nn.init.constant_.
func Constant(v float64) graph.Initializer {
	return func(t *tensor.Tensor, _ uint64) error {
		one, err := tensor.New(types.Of(t.DType()))
		if err != nil {
			return err
		}
		if err := one.Set(v); err != nil {
			return err
		}
		for b := t.Bytes(); len(b) > 0; b = b[len(one.Bytes()):] {
			copy(b, one.Bytes())
		}
		return nil
	}
}

// KaimingUniform draws uniformly with bound gain*sqrt(3/fan_in):
// torch.nn.init.kaiming_uniform_ (He et al., "Delving deep into rectifiers",
// 2015). The gain of ReLU is sqrt 2. The first dimension of a weight counts
// outputs; fan_in is the product of the others.
func KaimingUniform(gain float64) graph.Initializer {
	return byFans(func(in, _ float64) graph.Initializer {
		bound := gain * math.Sqrt(3/in)
		return Uniform(-bound, bound)
	})
}

// KaimingNormal draws from a normal distribution with standard deviation
// gain/sqrt(fan_in): torch.nn.init.kaiming_normal_; see [KaimingUniform].
func KaimingNormal(gain float64) graph.Initializer {
	return byFans(func(in, _ float64) graph.Initializer { return Normal(0, gain/math.Sqrt(in)) })
}

// XavierUniform draws uniformly with bound gain*sqrt(6/(fan_in+fan_out)):
// torch.nn.init.xavier_uniform_ (Glorot and Bengio, "Understanding the
// difficulty of training deep feedforward neural networks", 2010). For a weight
// [out,in,...], fan_in is in times the dimensions that follow, fan_out is out
// times those.
func XavierUniform(gain float64) graph.Initializer {
	return byFans(func(in, out float64) graph.Initializer {
		bound := gain * math.Sqrt(6/(in+out))
		return Uniform(-bound, bound)
	})
}

// XavierNormal draws from a normal distribution with standard deviation
// gain*sqrt(2/(fan_in+fan_out)): torch.nn.init.xavier_normal_; see
// [XavierUniform].
func XavierNormal(gain float64) graph.Initializer {
	return byFans(func(in, out float64) graph.Initializer { return Normal(0, gain*math.Sqrt(2/(in+out))) })
}

// byFans returns the initializer that f makes of fan_in and fan_out.
func byFans(f func(in, out float64) graph.Initializer) graph.Initializer {
	return func(t *tensor.Tensor, seed uint64) error {
		s := t.Shape()
		if len(s) < 2 {
			return errors.New("fan_in and fan_out are those of a weight of at least two dimensions, the variable is " + t.Type().String())
		}
		if t.Len() == 0 {
			return nil
		}
		field := float64(s[2:].Size())
		return f(float64(s[1])*field, float64(s[0])*field)(t, seed)
	}
}
