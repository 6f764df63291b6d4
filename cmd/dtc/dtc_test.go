package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"dumbtorch/ir"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/tensor"
)

var update = flag.Bool("update", false, "rewrite the golden output in testdata/scripts")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"dtc": main})
}

// TestScripts runs the command as a user does; every script is an archive of
// commands and files. Further commands of the scripts:
//
//	code N dtc ...            runs a command, which must exit with N
//	array FILE TYPE VALUES... writes an npy file, or adds to an npz file: FILE.npz:NAME
//	show FILE [NAME]          prints the arrays of an npz file, or the values of one
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/scripts",
		UpdateScripts: *update,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": exitCode, "array": writeArray, "show": showArrays,
		},
	})
}

func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N command...")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if want, err := strconv.Atoi(args[0]); err != nil || got != want {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}

func writeArray(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: array FILE TYPE VALUES...")
	}
	typ, err := types.Parse(args[1])
	ts.Check(err)
	t, err := tensor.New(typ)
	ts.Check(err)
	flat, err := t.Reshape(t.Len())
	ts.Check(err)
	for i := range t.Len() {
		v, err := strconv.ParseFloat(args[2+i%len(args[2:])], 64)
		ts.Check(err)
		ts.Check(flat.Set(v, i))
	}
	file, name, named := strings.Cut(args[0], ":")
	if !named {
		ts.Check(tensor.WriteNPYFile(ts.MkAbs(file), t))
		return
	}
	all := map[string]*tensor.Tensor{}
	if _, err := os.Stat(ts.MkAbs(file)); err == nil {
		all, err = tensor.ReadNPZ(ts.MkAbs(file))
		ts.Check(err)
	}
	all[name] = t
	ts.Check(tensor.WriteNPZ(ts.MkAbs(file), tensor.SortByName(all)))
}

func showArrays(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: show FILE")
	}
	all, err := readFile(ts.MkAbs(args[0]), "")
	ts.Check(err)
	for _, a := range tensor.SortByName(all) {
		fmt.Fprintf(ts.Stdout(), "%s %s\n", a.Name, a.Tensor)
	}
}

// broken fails to write, as a full disk does.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestFullDisk(t *testing.T) {
	var log bytes.Buffer
	for _, args := range [][]string{{"ops"}, {"passes"}, {"ops", "--markdown"}, {"--help"}} {
		log.Reset()
		require.Equal(t, exitFailed, run(args, strings.NewReader(""), broken{}, &log), args)
		require.Contains(t, log.String(), "no space left on device", args)
	}
}

// A panic is reported as a bug and not as a stack trace of the run time.
func TestPanicIsReported(t *testing.T) {
	var out, log bytes.Buffer
	require.Equal(t, exitFailed, run([]string{"dump", "-"}, panics{}, &out, &log))
	require.Contains(t, log.String(), "dtc: internal error, a bug of dtc or of the compiler: boom")
}

type panics struct{}

func (panics) Read([]byte) (int, error) { panic("boom") }

func parse(t *testing.T, text string) *ir.Graph {
	g, err := ir.Parse(text)
	require.NoError(t, err)
	return g
}

// elements counts the elements of all values of a graph.
func elements(g *ir.Graph) int {
	total := 0
	for _, n := range g.Nodes {
		if total += n.Shape().Size(); total < 0 || n.Shape().Size() > types.MaxElements/2 {
			return types.MaxElements
		}
	}
	return total
}

// Whatever is read as a program gives an error or a result.
func FuzzRead(f *testing.F) {
	commands := []string{"dump", "draw", "explain", "check", "run", "dump --memory", "dump --format source --device interp"}
	seeds, err := filepath.Glob("../../ir/testdata/*.dt")
	require.NoError(f, err)
	require.NotEmpty(f, seeds)
	for _, s := range seeds {
		b, err := os.ReadFile(s)
		require.NoError(f, err)
		f.Add(string(b), uint8(0))
	}
	f.Add(`graph g version=1 { %0 = input {name="x"} : f32[2] %1 = exp %0 : f32[2] output "y" = %1 }`, uint8(3))
	f.Add("graph g version=1 {\n}", uint8(1))
	f.Add("", uint8(4))
	var kernels bytes.Buffer
	const two = `graph g version=1 { %0 = input {name="x"} : f32[6] %1 = exp %0 : f32[6] %2 = sum %1 {axes=[0]} : f32[] output "y" = %2 }`
	require.Equal(f, exitFine, run([]string{"dump", "-", "--format", "kernel", "-d", "fuse/off"}, strings.NewReader(two), &kernels, os.Stderr))
	for c := range commands {
		f.Add(kernels.String(), uint8(c))
	}
	f.Fuzz(func(t *testing.T, text string, command uint8) {
		if g, err := ir.Parse(text); err == nil && elements(g) > 1<<14 {
			return // correct and slow
		}
		var out, log bytes.Buffer
		code := run(append(strings.Fields(commands[int(command)%len(commands)]), "-"), strings.NewReader(text), &out, &log)
		require.Contains(t, []int{exitFine, exitFailed, exitMisuse}, code)
		require.NotContains(t, log.String(), "internal error")
	})
}
