package native

import (
	"runtime"
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"dumbtorch/runtime/cpu/amd64"
)

func needsCode(t *testing.T) {
	if detect().Level == Portable {
		t.Skip(detect().Reason)
	}
}

// sumCode adds n numbers at an address: block {x *int64, n int64, sum int64}.
func sumCode(t *testing.T) []byte {
	a := amd64.New()
	a.Mov(amd64.RSI, amd64.At(amd64.RDI, 0))
	a.Mov(amd64.RCX, amd64.At(amd64.RDI, 8))
	a.Xor(amd64.RAX, amd64.RAX)
	end := a.Label()
	top := a.Here()
	a.CmpImm(amd64.RCX, 0)
	a.Jcc(amd64.Equal, end)
	a.Add(amd64.RAX, amd64.At(amd64.RSI, 0))
	a.AddImm(amd64.RSI, 8)
	a.SubImm(amd64.RCX, 1)
	a.Jmp(top)
	a.Bind(end)
	a.MovStore(amd64.At(amd64.RDI, 16), amd64.RAX)
	a.VZeroUpper()
	a.Ret()
	code, err := a.Finish()
	require.NoError(t, err)
	return code
}

type sumArgs struct {
	x   unsafe.Pointer
	n   int64
	sum int64
}

func requireSums(t *testing.T, c *Code) {
	x := make([]int64, 100)
	for i := range x {
		x[i] = int64(i)
	}
	for n := range len(x) {
		args := sumArgs{x: unsafe.Pointer(&x[0]), n: int64(n)}
		c.Call(0, unsafe.Pointer(&args))
		require.EqualValues(t, n*(n-1)/2, args.sum)
	}
}

func TestCall(t *testing.T) {
	needsCode(t)
	c, err := Load(sumCode(t))
	require.NoError(t, err)
	requireSums(t, c)
	require.NoError(t, c.Free())
	require.NoError(t, c.Free(), "freeing twice is fine")
}

// The collector moves stacks and stops goroutines while code is made, run and
// freed.
func TestConcurrentCode(t *testing.T) {
	needsCode(t)
	code := sumCode(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				c, err := Load(code)
				if err != nil {
					t.Error(err)
					return
				}
				deep(func() { requireSums(t, c) }, 20)
				if err := c.Free(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 20 {
		runtime.GC()
	}
	all.Wait()
}

// deep calls f with a grown stack.
func deep(f func(), n int) {
	var pad [256]byte
	if n > 0 {
		deep(f, n-1)
		runtime.KeepAlive(&pad)
		return
	}
	f()
}

func TestChoose(t *testing.T) {
	best, err := choose("")
	require.NoError(t, err)
	c, err := choose("portable")
	require.NoError(t, err)
	require.Equal(t, Portable, c.Level)
	require.NotEmpty(t, c.Reason)
	c, err = choose("sse9")
	require.ErrorContains(t, err, "DTC_CPU=sse9: no such level (one of portable, avx2, avx512)")
	require.Equal(t, best, c)
	if best.Level < AVX512 {
		_, err = choose("avx512")
		require.ErrorContains(t, err, best.Reason)
	}
	require.Equal(t, []int{0, 32, 64}, []int{Portable.VectorBytes(), AVX2.VectorBytes(), AVX512.VectorBytes()})
}

func TestNoCode(t *testing.T) {
	_, err := Load(nil)
	require.Error(t, err)
}
