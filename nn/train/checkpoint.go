package train

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
	"dumbtorch/runtime/tensor/safetensors"
)

// Checkpoints says how a run is saved, so that one that was stopped, killed or
// cut off can go on as if it never had been: to the bit, in the same variables,
// losses and metrics.
//
// A checkpoint is a safetensors file "step-00001234.safetensors" that holds all
// variables of the session under their names, the optimizer's and the state of
// random numbers among them, and in its metadata the place in the data, the
// metrics so far and the state of early stop. It appears under its name only when
// it is complete and on disk.
type Checkpoints struct {
	// Dir is the folder of the files, which is made if it is missing; "" saves
	// nothing.
	Dir string
	// Every is how many steps lie between two checkpoints; 0 makes none within an
	// epoch. One is made after each epoch in any case, and when the run is cancelled
	// or ended by a callback.
	Every int
	// Keep is how many of the newest stay; 0 means 3. That of the best epoch stays
	// besides, and is linked as "best.safetensors". The metric that tells is
	// [EarlyStop]'s, also where early stop is off.
	Keep int
	// Resume goes on from the newest checkpoint in Dir that can be read, if there is
	// any. Without it, checkpoints in Dir are an error. The data must be the same, in
	// the same order and batches, and the session must have the same variables.
	Resume bool
	// Meta is put into the metadata of the files: what else is needed to build the
	// model again, such as its sizes or a vocabulary.
	Meta map[string]string
}

const (
	checkpointKey   = "dumbtorch.checkpoint"
	checkpointExt   = ".safetensors"
	checkpointStart = "step-"
	bestName        = "best" + checkpointExt
	defaultKeep     = 3
)

// checkpointName returns the name of the file of a step.
func checkpointName(step int) string {
	return fmt.Sprintf("%s%08d%s", checkpointStart, step, checkpointExt)
}

// stepOf is the inverse of checkpointName.
func stepOf(name string) (int, bool) {
	digits, ok := strings.CutPrefix(name, checkpointStart)
	if !ok {
		return 0, false
	}
	digits, ok = strings.CutSuffix(digits, checkpointExt)
	step, err := strconv.Atoi(digits)
	return step, ok && err == nil && checkpointName(step) == name
}

// keeper saves a run and finds it again.
type keeper struct {
	Checkpoints
	files  []kept // from oldest to newest
	newest saved  // what the last of them says
}

// kept is a checkpoint in the folder, and which one it calls the best.
type kept struct {
	step int
	best string
}

// newKeeper returns nil if nothing is saved.
func newKeeper(c Checkpoints) (*keeper, error) {
	if c.Dir == "" {
		if c.Every != 0 || c.Keep != 0 || c.Resume {
			return nil, errors.New("checkpoints: there is no folder to keep them in")
		}
		return nil, nil
	}
	if c.Every < 0 || c.Keep < 0 {
		return nil, fmt.Errorf("checkpoints: every %d steps and %d kept must not be negative", c.Every, c.Keep)
	}
	for _, key := range []string{checkpointKey, formatKey} {
		if _, ok := c.Meta[key]; ok {
			return nil, fmt.Errorf("checkpoints: the key %q of metadata is taken", key)
		}
	}
	if c.Keep == 0 {
		c.Keep = defaultKeep
	}
	if err := os.MkdirAll(c.Dir, 0o777); err != nil {
		return nil, fmt.Errorf("checkpoints: %w", err)
	}
	k := &keeper{Checkpoints: c}
	steps, err := listCheckpoints(c.Dir)
	if err != nil {
		return nil, err
	}
	if len(steps) > 0 && !c.Resume {
		return nil, fmt.Errorf("checkpoints: %s holds those of another run, up to %s: resume it, or choose another folder", c.Dir, checkpointName(steps[len(steps)-1]))
	}
	return k, sweep(c.Dir)
}

// due reports whether a checkpoint shall be made within an epoch after a step.
func (k *keeper) due(step int) bool { return k != nil && k.Every > 0 && step%k.Every == 0 }

// listCheckpoints returns the steps of the checkpoints in a folder, ascending.
func listCheckpoints(dir string) ([]int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("checkpoints: %w", err)
	}
	var steps []int
	for _, e := range entries {
		if step, ok := stepOf(e.Name()); ok {
			steps = append(steps, step)
		}
	}
	slices.Sort(steps)
	return steps, nil
}

// sweep removes what a process that was killed has left of a file it was
// writing.
func sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if tensor.IsTempName(e.Name()) {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	if err != nil {
		return fmt.Errorf("checkpoints: %w", err)
	}
	return nil
}

// save writes a checkpoint. It is that of the best epoch so far if the newest one
// knows of another: an epoch is judged just before it is saved.
func (k *keeper) save(s *session.Session, now saved) error {
	name := checkpointName(now.Steps)
	best := now.Best.Epoch != k.newest.Best.Epoch
	now.Best.File = k.newest.Best.File
	if best {
		now.Best.File = name
	}
	state, err := s.State()
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	arrays := tensor.SortByName(state)
	meta := map[string]string{formatKey: "pt"}
	for key, v := range k.Meta {
		meta[key] = v
	}
	if meta[checkpointKey], err = now.encode(arrays, meta); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	path := filepath.Join(k.Dir, name)
	if err := safetensors.Write(path, arrays, meta); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	k.newest = now
	if n := len(k.files); n > 0 && k.files[n-1].step == now.Steps {
		k.files = k.files[:n-1]
	}
	k.files = append(k.files, kept{now.Steps, now.Best.File})
	if best {
		if err := k.link(path); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
	}
	return k.prune()
}

// link makes the best checkpoint known by a name of its own.
func (k *keeper) link(path string) error {
	best := filepath.Join(k.Dir, bestName)
	temp := filepath.Join(k.Dir, tensor.TempName())
	if os.Link(path, temp) == nil {
		if err := os.Rename(temp, best); err == nil {
			return nil
		}
		os.Remove(temp)
	}
	// Not every file system has links.
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return tensor.WriteFileAtomic(best, func(w io.Writer) error {
		_, err := io.Copy(w, f)
		return err
	})
}

// prune removes the checkpoints that are neither among the newest nor called the
// best by one of those.
func (k *keeper) prune() error {
	from := max(0, len(k.files)-k.Keep)
	wanted := map[string]bool{}
	for _, f := range k.files[from:] {
		wanted[checkpointName(f.step)], wanted[f.best] = true, true
	}
	var errs []error
	k.files = slices.DeleteFunc(k.files, func(f kept) bool {
		name := checkpointName(f.step)
		if wanted[name] {
			return false
		}
		err := os.Remove(filepath.Join(k.Dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("checkpoint: %w", err))
		}
		return true
	})
	return errors.Join(errs...)
}
