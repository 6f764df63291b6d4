package session

import (
	"fmt"
	"path/filepath"
	"strings"

	"dumbtorch/runtime/tensor"
	"dumbtorch/runtime/tensor/safetensors"
)

// The formats of files of variables, told by the ends of their names.
const (
	extNPZ         = ".npz"
	extSafetensors = ".safetensors"
)

// CheckPath returns an error if no format of [Session.Save] and [Session.Load] belongs to the name of a file.
func CheckPath(path string) error {
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case extNPZ, extSafetensors:
		return nil
	default:
		return fmt.Errorf("%s: a file of variables is named *%s or *%s, not *%s", path, extNPZ, extSafetensors, ext)
	}
}

// Save writes the named variables, or all without names, to a file, which holds either its old content or all of the new: a
// NumPy archive if it is named *.npz, or a safetensors file, *.safetensors, which PyTorch's tools load as a state_dict. It may
// be called while steps run. Errors: those of [Session.State] and of the file.
func (s *Session) Save(path string, names ...string) error {
	if err := CheckPath(path); err != nil {
		return fmt.Errorf("write %w", err)
	}
	state, err := s.State(names...)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return writeArrays(path, tensor.SortByName(state))
}

func writeArrays(path string, arrays []tensor.Named) error {
	if strings.EqualFold(filepath.Ext(path), extSafetensors) {
		// The key says whose layouts the arrays have; tools that read several frameworks' files ask for it.
		return safetensors.Write(path, arrays, map[string]string{"format": "pt"})
	}
	return tensor.WriteNPZ(path, arrays)
}

// Load replaces all variables with those of a file in one of the formats of [Session.Save]. A safetensors file is copied to
// the device without being held in memory; tied weights are found under either name. Errors name the file; they are those of the file and of [Session.SetState]; if the
// file turns out not to be readable halfway, also [ErrNeedsReload].
func (s *Session) Load(path string, opts ...LoadOption) error {
	if err := CheckPath(path); err != nil {
		return err
	}
	offers := map[string]offer{}
	if strings.EqualFold(filepath.Ext(path), extSafetensors) {
		f, err := safetensors.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		for _, a := range f.Arrays() {
			o := offer{text: a.String(), view: func(use func(*tensor.Tensor) error) error { return f.View(a.Name, use) }}
			if typ, ok := a.Type(); ok {
				o.typ, o.text = typ, typ.String()
			}
			offers[a.Name] = o
		}
		// Of weights with several names, which are tied, safetensors.torch.save_model
		// keeps one, and tells of each other name which.
		for name, kept := range f.Metadata() {
			o, ok := offers[kept]
			if _, itself := offers[name]; ok && !itself && o.twin == "" {
				o.twin = kept
				offers[name] = o
			}
		}
	} else {
		state, err := tensor.ReadNPZ(path)
		if err != nil {
			return err
		}
		for name, t := range state {
			offers[name] = offerOf(t)
		}
	}
	if err := s.setState(offers, opts); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
