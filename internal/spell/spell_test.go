package spell

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNearest(t *testing.T) {
	known := []string{"exp", "expm1", "contract", "reduce_max", "größe", strings.Repeat("long", 40)}
	for name, want := range map[string]string{
		"expp":                         "exp",
		"exppm1":                       "expm1",
		"contarct":                     "contract",
		"reducemax":                    "reduce_max",
		"reduce_mean":                  "reduce_max",
		"große":                        "größe",
		"x":                            "",
		"":                             "",
		"transpose":                    "",
		strings.Repeat("x", 1<<20):     "",
		strings.Repeat("long", 40)[1:]: "",
	} {
		require.Equal(t, want, Nearest(name, known), name)
	}
	require.Empty(t, Nearest("x", nil))
	require.Equal(t, "first", Nearest("firs", []string{"first", "firsx"}), "the first of equals")
}

func TestDidYouMean(t *testing.T) {
	require.Equal(t, `: did you mean "loss"?`, DidYouMean("los", []string{"loss", "y"}))
	require.Empty(t, DidYouMean("loss", []string{"loss", "lose"}), "nothing else is meant by a known name")
	require.Empty(t, DidYouMean("accuracy", []string{"loss", "y"}))
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}, {"é", "e", 1}} {
		require.Equal(t, c.want, distance(c.a, c.b))
		require.Equal(t, c.want, distance(c.b, c.a))
	}
}
