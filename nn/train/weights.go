package train

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"dumbtorch/graph"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor/safetensors"
)

// SaveWeights writes the values of params (nn.Params of a model), and no other
// variables, to a file in the format that its name tells: *.safetensors or *.npz.
// The file holds either its old content or all of the new. Names and layouts are
// those of PyTorch's modules, so that load_state_dict takes what
// safetensors.torch.load_file reads. Errors name the file.
func SaveWeights(path string, s *session.Session, params []*graph.Variable) error {
	names, err := declare(s, params)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return s.Save(path, names...)
}

// LoadWeights gives params the values of a file in a format of [SaveWeights] that
// holds exactly them: a state_dict of the same model in PyTorch, or a checkpoint,
// whose other variables are passed over. The session's other variables, such as
// the optimizer's, stay as they are. Errors name the file, and nothing is changed
// then. Arrays that are missing, surplus or of another type are all listed;
// [session.KeepMissing], [session.IgnoreSurplus] and [session.ConvertFloats]
// accept them.
func LoadWeights(path string, s *session.Session, params []*graph.Variable, opts ...session.LoadOption) error {
	names, err := declare(s, params)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if isCheckpoint(path) {
		opts = append(opts, session.IgnoreSurplus())
	}
	return s.Load(path, append(opts, session.Only(names...))...)
}

// declare makes the parameters known to the session, those too that none of its
// graphs uses, and returns their names.
func declare(s *session.Session, params []*graph.Variable) ([]string, error) {
	if len(params) == 0 {
		return nil, errors.New("there are no parameters")
	}
	if err := s.Declare(params...); err != nil {
		return nil, err
	}
	var names []string
	for _, p := range params {
		names = append(names, p.Name())
	}
	return names, nil
}

// isCheckpoint reports whether a file is a checkpoint; of one that cannot be
// read, whoever reads it tells.
func isCheckpoint(path string) bool {
	if !strings.EqualFold(filepath.Ext(path), checkpointExt) {
		return false
	}
	f, err := safetensors.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	_, ok := f.Metadata()[checkpointKey]
	return ok
}
