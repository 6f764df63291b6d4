package dumbtorch_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReadmeModel runs the model of the README, with data and the imports.
func TestReadmeModel(t *testing.T) {
	page, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, code, found := strings.Cut(strings.ReplaceAll(string(page), "\r\n", "\n"), "```go\n")
	require.True(t, found)
	code, _, found = strings.Cut(code, "```\n")
	require.True(t, found)
	require.LessOrEqual(t, strings.Count(code, "\n"), 30, "a small model")
	require.Equal(t, 1, strings.Count(code, "\t...\n"))
	code = strings.Replace(code, "\t...\n", `	if err != nil {
		log.Fatal(err)
	}
	loss, err := out.Scalar("loss")
	fmt.Printf("%.1f %v\n", loss, err)
`, 1)
	const before = `package main

import (
	"context"
	"fmt"
	"log"

	"dumbtorch/graph"
	"dumbtorch/nn"
	"dumbtorch/nn/optim"
	"dumbtorch/runtime/cpu"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

var (
	images, _ = tensor.From(make([]float32, 8*784), 8, 784)
	labels, _ = tensor.From([]int32{0, 1, 2, 3, 4, 5, 6, 7}, 8)
)

`
	file := filepath.Join(t.TempDir(), "main.go")
	require.NoError(t, os.WriteFile(file, []byte(before+code), 0o644))
	out, err := exec.Command("go", "run", file).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "2.3 <nil>\n", string(out), "about log 10 before training")
}
