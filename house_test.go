package dumbtorch_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The rooms in levels: a package imports only packages of lower levels. Rooms
// of one level are siblings and import nothing of each other.
var levels = [][]string{
	{"ir/types", "ir/internal/lex", "internal/spell"},
	{"runtime/tensor", "ir/kernel"},
	{"runtime/device", "runtime/tensor/safetensors"},
	{"runtime/cpu/amd64", "runtime/cpu/native"},
	{"runtime/cpu/gemm", "runtime/cpu/simd", "nn/internal/splitmix"},
	{"runtime/interp", "runtime/cpu"},
	{"runtime/backendtest", "ir"},
	{"autodiff", "passes", "ir/transform"},
	{"graph"},
	{"nn", "nn/data/digits"},
	{"nn/optim", "nn/data"},
	{"runtime/session"},
	{"autodiff/gradcheck", "nn/train"},
	{"examples/models"},
	{"cmd/dtc", "examples", "proof/randgraph"},
	{"proof"},
}

// barred lists imports that the levels alone would allow.
var barred = map[string][]string{
	"graph":           {"passes", "runtime/device", "runtime/session", "runtime/cpu", "runtime/interp"},
	"ir":              {"runtime/"},
	"ir/transform":    {"runtime/"},
	"autodiff":        {"graph", "passes", "runtime/"},
	"passes":          {"graph", "autodiff", "nn", "runtime/"},
	"nn":              {"passes", "runtime/device", "runtime/cpu", "runtime/interp"},
	"nn/optim":        {"passes", "runtime/device", "runtime/cpu", "runtime/interp"},
	"nn/data":         {"passes", "graph", "runtime/session"},
	"nn/train":        {"passes"},
	"runtime/device":  {"ir", "graph", "passes"},
	"runtime/interp":  {"ir", "passes", "graph"},
	"runtime/cpu":     {"ir", "passes", "graph", "runtime/interp"},
	"runtime/session": {"nn"},
	"ir/kernel":       {"ir", "runtime/"},
	"runtime/tensor":  {"ir", "ir/kernel"},
}

func level(pkg string) int {
	for i, l := range levels {
		for _, p := range l {
			if pkg == p || (p == "examples" || p == "cmd/dtc") && strings.HasPrefix(pkg, p+"/") && pkg != "examples/models" {
				return i
			}
		}
	}
	return -1
}

func TestImportOrder(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}}: {{join .Imports \" \"}}", "./...").Output()
	require.NoError(t, err)
	sc := bufio.NewScanner(strings.NewReader(string(out)))
	seen := 0
	for sc.Scan() {
		pkg, imports, _ := strings.Cut(sc.Text(), ":")
		pkg, ours := strings.CutPrefix(pkg, "dumbtorch/")
		if !ours {
			continue
		}
		seen++
		at := level(pkg)
		require.GreaterOrEqual(t, at, 0, "package %s has no level in house_test.go: decide where it stands", pkg)
		for imp := range strings.FieldsSeq(imports) {
			imp, ours := strings.CutPrefix(imp, "dumbtorch/")
			if !ours {
				continue
			}
			above := level(imp) < at || strings.HasPrefix(pkg, imp+"/") || strings.HasPrefix(imp, pkg+"/")
			require.True(t, above, "%s imports %s, which does not stand below it", pkg, imp)
			for _, no := range barred[pkg] {
				bad := imp == no || strings.HasSuffix(no, "/") && strings.HasPrefix(imp, no)
				require.False(t, bad, "%s must not import %s", pkg, imp)
			}
		}
	}
	require.NotZero(t, seen)
}

// A file past this length has two jobs.
const maxLines = 1000

func TestFileLength(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		require.LessOrEqual(t, strings.Count(string(b), "\n"), maxLines, "%s is too long", path)
		return nil
	})
	require.NoError(t, err)
}
