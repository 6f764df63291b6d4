package optim

import (
	"math"

	"dumbtorch/graph"
)

// ClipNorm scales all gradients by limit/(norm+1e-6) when that is less than 1;
// norm is their joint 2-norm: torch.nn.utils.clip_grad_norm_.
func ClipNorm(limit float64) Option {
	return func(s *step) {
		checkLimit("clip_norm", limit)
		s.clips = append(s.clips, func(s *step) {
			// The sums do not wait for each other: one kernel can make them all.
			var squares []*graph.Node
			for _, d := range s.grads {
				squares = append(squares, d.Mul(d).Sum())
			}
			sum := graph.Stack(0, squares...).Sum()
			scale := graph.Scalar(s.g, sum.DType(), limit).Div(sum.Sqrt().AddScalar(1e-6))
			scale = scale.Minimum(graph.Scalar(s.g, sum.DType(), 1))
			for i, d := range s.grads {
				s.grads[i] = d.Mul(scale.Cast(d.DType()))
			}
		})
	}
}

// ClipValue limits every element of the gradients to [-limit, limit]:
// torch.nn.utils.clip_grad_value_.
func ClipValue(limit float64) Option {
	return func(s *step) {
		checkLimit("clip_value", limit)
		s.clips = append(s.clips, func(s *step) {
			for i, d := range s.grads {
				s.grads[i] = d.Clamp(-limit, limit)
			}
		})
	}
}

func checkLimit(op string, limit float64) {
	if !(limit >= 0) || math.IsInf(limit, 1) {
		graph.Fail(op, "the limit %v is not a finite number of at least 0", limit)
	}
}
