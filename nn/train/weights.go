package train

import (
	"fmt"
	"slices"
	"strings"

	"dumbtorch/graph"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

// SaveWeights writes the values of params (nn.Params of a model), and no other
// variables, to an npz file in their order. The file holds either its old
// content or all of the new. Errors name the file.
func SaveWeights(path string, s *session.Session, params []*graph.Variable) error {
	var arrays []tensor.Named
	for _, p := range params {
		t, err := s.Get(p.Name())
		if err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		arrays = append(arrays, tensor.Named{Name: p.Name(), Tensor: t})
	}
	return tensor.WriteNPZ(path, arrays)
}

// LoadWeights gives params the values of an npz file that holds exactly them;
// other variables, such as the optimizer's, stay as they are. Errors name the
// file, and nothing is changed then. Arrays that are missing, surplus or of
// another type are all listed.
func LoadWeights(path string, s *session.Session, params []*graph.Variable) error {
	state, err := tensor.ReadNPZ(path)
	if err != nil {
		return err
	}
	var wrong []string
	known := map[string]bool{}
	for _, p := range params {
		known[p.Name()] = true
		switch t := state[p.Name()]; {
		case t == nil:
			wrong = append(wrong, fmt.Sprintf("%s %v is missing", p.Name(), p.Type()))
		case !t.Type().Equal(p.Type()):
			wrong = append(wrong, fmt.Sprintf("%s is %v in the file, %v in the model", p.Name(), t.Type(), p.Type()))
		}
	}
	for _, a := range tensor.SortByName(state) {
		if !known[a.Name] {
			wrong = append(wrong, fmt.Sprintf("%s %v is not in the model", a.Name, a.Tensor.Type()))
		}
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		return fmt.Errorf("%s: the weights do not fit the model: %s", path, strings.Join(wrong, "; "))
	}
	if err := s.SetState(state, session.KeepMissing()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
