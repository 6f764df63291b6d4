package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir"
	"dumbtorch/ir/kernel"
)

// output runs the command, which must succeed, and returns what it prints.
func output(t *testing.T, in string, args ...string) string {
	t.Helper()
	var out, log bytes.Buffer
	code := run(args, strings.NewReader(in), &out, &log)
	require.Equal(t, exitFine, code, "%v: %s", args, log.String())
	require.Empty(t, log.String(), args)
	return out.String()
}

// Every stage of every example prints as text that reads back, and in all other
// forms.
func TestEveryStageOfEveryExample(t *testing.T) {
	for _, name := range exampleNames() {
		all := output(t, "", "dump", name, "--all", "--device", "interp")
		stages := strings.Split(all, "# after ")[1:]
		require.Len(t, stages, len(stageNames()), name)
		for i, s := range stages {
			pass, text, _ := strings.Cut(s, "\n")
			text = strings.TrimRight(text, "\n") + "\n"
			require.Equal(t, stageNames()[i], pass)
			if strings.HasPrefix(text, "graph ") {
				g, err := ir.Parse(text)
				require.NoError(t, err, "%s after %s", name, pass)
				require.Equal(t, text, g.String(), "%s after %s", name, pass)
				continue
			}
			p, err := kernel.Parse(text)
			require.NoError(t, err, "%s after %s", name, pass)
			require.Equal(t, text, p.String(), "%s after %s", name, pass)
		}
		require.True(t, json.Valid([]byte(output(t, "", "dump", name, "--all", "--format", "json"))), name)
		require.Contains(t, output(t, "", "dump", name, "--memory"), "lower bound", name)
		require.NotEmpty(t, output(t, "", "dump", name, "--format", "source", "--device", "interp"), name)
		require.Contains(t, output(t, "", "explain", name), "launch 0: ", name)
	}
}

// Graphviz accepts the drawings of graphs and of launches.
func TestGraphvizAcceptsDrawings(t *testing.T) {
	if _, err := exec.LookPath("dot"); err != nil {
		t.Skip("Graphviz is not installed")
	}
	for _, name := range []string{"basic_autograd", "mnist", "mnist:train"} {
		for _, after := range []string{asRead, lastGraphPass, "memplan"} {
			d := output(t, "", "draw", name, "--after", after)
			picture, err := graphviz(t.Context(), []byte(d), "svg")
			require.NoError(t, err, "%s after %s", name, after)
			require.Contains(t, string(picture), "</svg>")
		}
	}
	_, err := graphviz(t.Context(), []byte("digraph {"), "svg")
	require.ErrorContains(t, err, "dot: exit status 1: ")
}

// The chart of a program of many launches fits the width of a terminal.
func TestChartOfManyLaunches(t *testing.T) {
	var b strings.Builder
	b.WriteString("graph deep version=1 {\n  %0 = input {name=\"x\"} : f32[4]\n")
	for i := 1; i <= 200; i++ {
		fmt.Fprintf(&b, "  %%%d = exp %%%d : f32[4]\n", i, i-1)
	}
	b.WriteString("  output \"y\" = %200\n}\n")
	out := output(t, b.String(), "dump", "-", "--memory", "-d", "fuse/off")
	require.Contains(t, out, "launches 0 to 199, 3 per column")
	bars := 0
	for line := range strings.Lines(out) {
		if _, chart, ok := strings.Cut(line, "|"); ok {
			bars++
			require.Len(t, strings.SplitN(chart, "|", 2)[0], 67)
		}
	}
	require.Equal(t, 199+1, bars)
}
