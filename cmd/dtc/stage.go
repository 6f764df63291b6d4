package main

import (
	"slices"
	"strings"

	"dumbtorch/ir"
	"dumbtorch/ir/kernel"
	"dumbtorch/passes"
)

// asRead names the stage before the first pass.
const asRead = "input"

// A stage is a program between two passes.
type stage struct {
	pass string // that made it; asRead: none
	text string
}

// isGraph reports whether the stage is a graph and not yet kernels.
func (s stage) isGraph() bool { return strings.HasPrefix(s.text, "graph ") }

func (s stage) graph() (*ir.Graph, error) { return ir.Parse(s.text) }

func (s stage) kernels() (*kernel.Program, error) { return kernel.Parse(s.text) }

// compileStages compiles and keeps the program after every pass. When a pass
// fails, the stages before it are returned with the error. Kernels stay as they
// are.
func compileStages(p *program, c passes.Config) ([]stage, *passes.Compiled, error) {
	if k := p.kernels; k != nil {
		return []stage{{asRead, k.String()}}, &passes.Compiled{Program: k, Memory: passes.Memory(k)}, nil
	}
	list := []stage{{asRead, p.graph.String()}}
	dump, after := c.Dump, c.DumpAfter
	c.DumpAfter = nil
	c.Dump = func(pass, text string) {
		list = append(list, stage{pass, text})
		if dump != nil && (after == nil || after[pass]) {
			dump(pass, text)
		}
	}
	done, err := passes.Compile(p.graph, &c)
	return list, done, err
}

// stageNames returns the names that --after takes.
func stageNames() []string { return append([]string{asRead}, passNames()...) }

// findStage returns the stage after the named pass.
func findStage(list []stage, name string) (stage, error) {
	i := slices.IndexFunc(list, func(s stage) bool { return s.pass == name })
	if i < 0 {
		return stage{}, misusef("pass %s is off: there is nothing after it", name)
	}
	return list[i], nil
}
