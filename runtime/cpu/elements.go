package cpu

// number holds the element types that arithmetic is made for.
type number interface {
	uint8 | uint32 | int32 | int64 | float32 | float64
}

// integer holds the element types of integers.
type integer interface {
	uint8 | uint32 | int32 | int64
}

// float holds the floating-point element types.
type float interface{ float32 | float64 }
