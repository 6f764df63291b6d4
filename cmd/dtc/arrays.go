package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"dumbtorch/ir"
	"dumbtorch/runtime/tensor"
	"dumbtorch/runtime/tensor/safetensors"
)

// readArrays reads the values of --feed or --var: NAME=FILE.npy gives one
// array; FILE.npz and FILE.safetensors give all that they hold, with NAME= before
// them one.
func readArrays(flag string, list []string) (map[string]*tensor.Tensor, error) {
	arrays := map[string]*tensor.Tensor{}
	for _, s := range list {
		name, path, named := strings.Cut(s, "=")
		if !named {
			name, path = "", s
		}
		if named && (name == "" || path == "") || !named && !holdsMany(path) {
			return nil, misusef("flag --%s: %q is neither NAME=FILE.npy nor FILE.npz nor FILE.safetensors", flag, s)
		}
		m, err := readFile(path, name)
		if err != nil {
			return nil, err
		}
		for _, n := range slices.Sorted(maps.Keys(m)) {
			if arrays[n] != nil {
				return nil, misusef("flag --%s: %q is given twice", flag, n)
			}
			arrays[n] = m[n]
		}
	}
	return arrays, nil
}

// holdsMany reports whether files of that name hold arrays with names.
func holdsMany(path string) bool {
	return strings.HasSuffix(path, ".npz") || strings.HasSuffix(path, ".safetensors")
}

// readFile reads the array of a name, or all if it is empty.
func readFile(path, name string) (map[string]*tensor.Tensor, error) {
	var m map[string]*tensor.Tensor
	var err error
	switch {
	case strings.HasSuffix(path, ".npz"):
		m, err = tensor.ReadNPZ(path)
	case strings.HasSuffix(path, ".safetensors"):
		m, _, err = safetensors.Read(path)
	default:
		t, err := tensor.ReadNPYFile(path)
		return map[string]*tensor.Tensor{name: t}, err
	}
	if err != nil || name == "" {
		return m, err
	}
	t := m[name]
	if t == nil {
		return nil, fmt.Errorf("%s: no array is named %q%s", path, name, didYouMean(name, slices.Sorted(maps.Keys(m))))
	}
	return map[string]*tensor.Tensor{name: t}, nil
}

// writeFile writes arrays in the format that the file's name tells: safetensors,
// or else npz.
func writeFile(path string, arrays []tensor.Named) error {
	if strings.HasSuffix(path, ".safetensors") {
		return safetensors.Write(path, arrays, nil)
	}
	return tensor.WriteNPZ(path, arrays)
}

// checkArrays returns an error if an array has no node of its name and type.
func checkArrays(what, flag string, arrays map[string]*tensor.Tensor, nodes []*ir.Node) error {
	byName := map[string]*ir.Node{}
	var names []string
	for _, n := range nodes {
		byName[n.Attr.Name] = n
		names = append(names, n.Attr.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(arrays)) {
		n := byName[name]
		switch {
		case n == nil && len(names) == 0:
			return misusef("flag --%s: the program has no %ss, so none named %q", flag, what, name)
		case n == nil:
			return misusef("flag --%s: no %s is named %q%s", flag, what, name, didYouMean(name, names))
		case !arrays[name].Type().Equal(n.Type):
			return fmt.Errorf("%s %q is %s, the array given for it %s", what, name, n.Type, arrays[name].Type())
		}
	}
	return nil
}

// missing describes the nodes for which there is no array.
func missing(arrays map[string]*tensor.Tensor, nodes []*ir.Node) []string {
	var list []string
	for _, n := range nodes {
		if arrays[n.Attr.Name] == nil {
			list = append(list, fmt.Sprintf("%s %s", n.Attr.Name, n.Type))
		}
	}
	return list
}
