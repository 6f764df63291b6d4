package data

import (
	"errors"
	"fmt"

	"dumbtorch/runtime/tensor"
)

// ReadNPZ returns the data set whose fields are arrays of a NumPy archive, the
// named ones in their order, or all by their names, whose first dimension counts
// samples. Errors name the file: those of [tensor.ReadNPZ] and of [FromTensors],
// and names that the archive does not have.
func ReadNPZ(path string, names ...string) (*Tensors, error) {
	arrays, err := tensor.ReadNPZ(path)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	all := tensor.SortByName(arrays)
	var columns []Column
	for _, name := range names {
		t := arrays[name]
		if t == nil {
			var known []string
			for _, a := range all {
				known = append(known, a.Name)
			}
			return nil, fmt.Errorf("data: %s: there is no array %q; the arrays are %q", path, name, known)
		}
		columns = append(columns, Column{name, t})
	}
	if len(names) == 0 {
		for _, a := range all {
			columns = append(columns, Column(a))
		}
	}
	d, err := FromTensors(columns...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

// NPYFile is a file in NumPy's npy format that holds a field of all samples.
type NPYFile struct{ Name, Path string }

// ReadNPY returns the data set of arrays whose first dimension counts samples, one
// in each file. Errors name the file where there is one: those of
// [tensor.ReadNPYFile] and of [FromTensors].
func ReadNPY(files ...NPYFile) (*Tensors, error) {
	if len(files) == 0 {
		return nil, errors.New("data: there are no files")
	}
	var columns []Column
	for _, f := range files {
		t, err := tensor.ReadNPYFile(f.Path)
		if err != nil {
			return nil, fmt.Errorf("data: %w", err)
		}
		columns = append(columns, Column{f.Name, t})
	}
	return FromTensors(columns...)
}
