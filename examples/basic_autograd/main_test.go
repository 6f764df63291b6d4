package main

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the golden file")

// otherLines are lines of a file that has other models too.
var otherLines = regexp.MustCompile(`models\.go:\d+`)

func TestLesson(t *testing.T) {
	const golden = "testdata/output.txt"
	var out strings.Builder
	require.NoError(t, run(&out))
	got := otherLines.ReplaceAllString(out.String(), "models.go:N")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "run with -update if the change is meant")
}

// A value that is not the one derived by hand ends the lesson.
func TestMistake(t *testing.T) {
	saved := parts
	defer func() { parts = saved }()
	parts = []part{{"Wrong", "1 + 1 = 3.", func(m *model) {
		x := m.in("x", []float32{1}, 1)
		m.show("sum", x.Add(x), 3)
	}}}
	require.ErrorContains(t, run(&strings.Builder{}), "Wrong: sum is not what was derived by hand: tensor: 1 of 1 elements of f32[1] differ")
}
