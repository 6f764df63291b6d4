package device_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/runtime/device"
)

func TestRegistry(t *testing.T) {
	var opened []string
	opener := func(arg string) (device.Device, error) {
		opened = append(opened, arg)
		if arg == "9" {
			return nil, device.ErrUnavailable
		}
		return nil, nil
	}
	device.Register("tpu", opener)
	device.Register("abacus", opener)
	require.Equal(t, []string{"abacus", "tpu"}, device.Kinds())

	for _, name := range []string{"tpu", "tpu:", "tpu:0", "abacus:a:b"} {
		_, err := device.Open(name)
		require.NoError(t, err)
	}
	require.Equal(t, []string{"", "", "0", "a:b"}, opened)

	_, err := device.Open("tpu:9")
	require.ErrorIs(t, err, device.ErrUnavailable)
	_, err = device.Open("gpu:0")
	require.EqualError(t, err, `unknown device "gpu:0" (known: abacus, tpu)`)
	_, err = device.Open("")
	require.EqualError(t, err, `unknown device "" (known: abacus, tpu)`)
	require.PanicsWithValue(t, "device: tpu registered twice", func() { device.Register("tpu", opener) })
}

func TestCheckError(t *testing.T) {
	var err error = &device.CheckError{Pos: "mnist.go:31: gather", Value: -1, Limit: 10}
	require.EqualError(t, err, "mnist.go:31: gather: index -1 is out of range [0,10)")
	var c *device.CheckError
	require.True(t, errors.As(err, &c))
}
