package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"dumbtorch/ir"
	"dumbtorch/runtime/tensor"
)

// readArrays reads the values of --feed or --var: NAME=FILE.npy gives one
// array, FILE.npz all that an archive holds, NAME=FILE.npz one of them.
func readArrays(flag string, list []string) (map[string]*tensor.Tensor, error) {
	arrays := map[string]*tensor.Tensor{}
	add := func(name string, t *tensor.Tensor) error {
		if arrays[name] != nil {
			return misusef("flag --%s: %q is given twice", flag, name)
		}
		arrays[name] = t
		return nil
	}
	for _, s := range list {
		name, path, named := strings.Cut(s, "=")
		if !named {
			name, path = "", s
		}
		switch {
		case named && (name == "" || path == ""), !named && !strings.HasSuffix(path, ".npz"):
			return nil, misusef("flag --%s: %q is neither NAME=FILE.npy nor FILE.npz", flag, s)
		case !strings.HasSuffix(path, ".npz"):
			t, err := tensor.ReadNPYFile(path)
			if err == nil {
				err = add(name, t)
			}
			if err != nil {
				return nil, err
			}
			continue
		}
		m, err := tensor.ReadNPZ(path)
		if err != nil {
			return nil, err
		}
		if named {
			t := m[name]
			if t == nil {
				return nil, fmt.Errorf("%s: no array is named %q%s", path, name, didYouMean(name, slices.Sorted(maps.Keys(m))))
			}
			m = map[string]*tensor.Tensor{name: t}
		}
		for _, n := range slices.Sorted(maps.Keys(m)) {
			if err := add(n, m[n]); err != nil {
				return nil, err
			}
		}
	}
	return arrays, nil
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
