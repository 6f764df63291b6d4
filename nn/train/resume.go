package train

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"

	"dumbtorch/runtime/tensor/safetensors"
)

// Checkpoint is what [FindCheckpoint] finds.
type Checkpoint struct {
	// Path is the file. [LoadWeights] takes a model's parameters from it.
	Path string
	// Report is that of the run up to then.
	Report *Report
	// Meta is that of [Checkpoints].
	Meta map[string]string
}

// FindCheckpoint returns the newest checkpoint in a folder that is not damaged.
// If there is none the error says what is wrong with each.
func FindCheckpoint(dir string) (*Checkpoint, error) {
	steps, err := listCheckpoints(dir)
	if err != nil {
		return nil, err
	}
	c, _, _, err := newest(dir, steps)
	if err == nil && c == nil {
		err = fmt.Errorf("checkpoints: there are none in %s", dir)
	}
	return c, err
}

// newest returns the newest of some checkpoints that is not damaged, and what
// is wrong with those that are newer.
func newest(dir string, steps []int) (*Checkpoint, *saved, []error, error) {
	var damaged []error
	for i := len(steps) - 1; i >= 0; i-- {
		path := filepath.Join(dir, checkpointName(steps[i]))
		c, p, err := readCheckpoint(path)
		if err == nil {
			return c, p, damaged, nil
		}
		damaged = append(damaged, err)
	}
	return nil, nil, nil, errors.Join(damaged...)
}

// readCheckpoint reads a checkpoint and verifies the variables in it.
func readCheckpoint(path string) (*Checkpoint, *saved, error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	p, err := readSaved(f)
	if err == nil {
		err = p.verify(f)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	r := &Report{Steps: p.Steps, Position: p.Position, Best: p.Best.Epoch}
	for _, e := range p.Epochs {
		r.Epochs = append(r.Epochs, e.load())
	}
	meta := f.Metadata()
	maps.DeleteFunc(meta, func(key, _ string) bool { return key == checkpointKey || key == formatKey })
	return &Checkpoint{path, r, meta}, p, nil
}

// resume puts the run where the newest checkpoint was made.
func (l *loop) resume() error {
	k := l.keeper
	steps, err := listCheckpoints(k.Dir)
	if err != nil {
		return err
	}
	c, p, damaged, err := newest(k.Dir, steps)
	if err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	if c == nil {
		return nil
	}
	for _, err := range damaged {
		l.progress.note(fmt.Sprintf("resume: passed over %v", err))
	}
	if what := p.Data.differs(dataOf(l.Data)); what != "" {
		return fmt.Errorf("resume: %s: %s: start anew in another folder, or give what was given then", c.Path, what)
	}
	if err := l.Data.Seek(p.Position); err != nil {
		return fmt.Errorf("resume: %s: %w", c.Path, err)
	}
	if l.watch.keeps() && p.Best.Epoch != 0 {
		if err := l.loadBest(p.Best.File); err != nil {
			return fmt.Errorf("resume: %w", err)
		}
	}
	if err := l.Session.Load(c.Path); err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	l.report.Steps, l.report.Epochs, l.report.Best = p.Steps, c.Report.Epochs, p.Best.Epoch
	l.at, l.part = p.Position, p.Part
	l.watch.best, l.watch.worse, l.watch.value = p.Best.Epoch, p.Best.Worse, float64(p.Best.Value)
	k.newest = *p
	for _, step := range steps {
		// Those that are newer are damaged; the run will replace them.
		if step <= p.Steps {
			k.files = append(k.files, kept{step, bestOf(filepath.Join(k.Dir, checkpointName(step)))})
		}
	}
	return nil
}

// bestOf returns the file that a checkpoint calls the best, "" if it cannot be
// read.
func bestOf(path string) string {
	f, err := safetensors.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	p, err := readSaved(f)
	if err != nil {
		return ""
	}
	return p.Best.File
}

// loadBest reads the state of the best epoch into the session and keeps a copy.
func (l *loop) loadBest(file string) error {
	if err := l.Session.Load(filepath.Join(l.keeper.Dir, file)); err != nil {
		return err
	}
	var err error
	l.watch.state, err = l.Session.State()
	return err
}
