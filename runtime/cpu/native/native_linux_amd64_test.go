package native

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLoadTwice(t *testing.T) {
	needsCode(t)
	c, err := loadTwice(sumCode(t), 4096)
	require.NoError(t, err)
	requireSums(t, c)
	require.NoError(t, c.Free())
}
