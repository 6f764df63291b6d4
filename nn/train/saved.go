package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"dumbtorch/nn/data"
	"dumbtorch/runtime/tensor"
	"dumbtorch/runtime/tensor/safetensors"
)

// formatKey is the key by which tools tell whose layouts the arrays have.
const formatKey = "format"

// savedVersion counts changes of saved that older readers would misread.
const savedVersion = 1

// saved is what a checkpoint holds besides variables, in the metadata as JSON.
type saved struct {
	Version  int
	Steps    int
	Position data.Position
	Data     savedData
	Epochs   []savedEpoch // complete ones
	Part     savedEpoch   // of the one under way; its metrics are sums over the samples
	Best     savedBest
	Checksum uint32 // CRC-32C of the variables' bytes, in the order of their names
}

// savedData is what must be the same for the same batches.
type savedData struct {
	Samples, Batch    int
	Shuffle, DropLast bool
	Seed              uint64
}

type savedEpoch struct {
	Number, Steps, Samples int
	Time                   time.Duration
	Metrics, Eval          []savedMetric
}

type savedMetric struct {
	Name  string
	Value exact
}

// savedBest is the state of early stop.
type savedBest struct {
	Epoch, Worse int
	Value        exact
	File         string
}

// exact is a number whose text gives back all its bits, also where it is not
// finite, which JSON's numbers cannot be.
type exact float64

// MarshalText returns the shortest text that reads back as the number.
func (x exact) MarshalText() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(x), 'g', -1, 64), nil
}

// UnmarshalText is the inverse of MarshalText.
func (x *exact) UnmarshalText(b []byte) error {
	v, err := strconv.ParseFloat(string(b), 64)
	*x = exact(v)
	return err
}

func saveMetrics(m Metrics) []savedMetric {
	var list []savedMetric
	for _, x := range m {
		list = append(list, savedMetric{x.Name, exact(x.Value)})
	}
	return list
}

func loadMetrics(list []savedMetric) Metrics {
	var m Metrics
	for _, x := range list {
		m = append(m, Metric{x.Name, float64(x.Value)})
	}
	return m
}

func saveEpoch(e *Epoch) savedEpoch {
	return savedEpoch{e.Number, e.Steps, e.Samples, e.Time, saveMetrics(e.Metrics), saveMetrics(e.Eval)}
}

func (e savedEpoch) load() Epoch {
	return Epoch{e.Number, e.Steps, e.Samples, e.Time, loadMetrics(e.Metrics), loadMetrics(e.Eval)}
}

func dataOf(l *data.Loader) savedData {
	o := l.Options()
	return savedData{l.Samples(), o.Batch, o.Shuffle, o.DropLast, o.Seed}
}

// differs names what is not the same in other data; "" if nothing.
func (d savedData) differs(now savedData) string {
	switch {
	case d.Samples != now.Samples:
		return fmt.Sprintf("the data had %d samples and has %d", d.Samples, now.Samples)
	case d.Batch != now.Batch:
		return fmt.Sprintf("batches had %d samples and have %d", d.Batch, now.Batch)
	case d.DropLast != now.DropLast:
		return fmt.Sprintf("leaving out short batches was %t and is %t", d.DropLast, now.DropLast)
	case d.Shuffle != now.Shuffle:
		return fmt.Sprintf("shuffling was %t and is %t", d.Shuffle, now.Shuffle)
	case d.Shuffle && d.Seed != now.Seed:
		return fmt.Sprintf("the seed of the order of samples was %d and is %d", d.Seed, now.Seed)
	}
	return ""
}

// encode returns the metadata of a checkpoint with the given variables.
func (p saved) encode(arrays []tensor.Named) (string, error) {
	p.Version, p.Checksum = savedVersion, 0
	for _, a := range arrays {
		p.Checksum = crc32.Update(p.Checksum, castagnoli, a.Tensor.Bytes())
	}
	b, err := json.Marshal(p)
	return string(b), err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// readSaved reads what a file holds besides variables, without looking at them.
func readSaved(f *safetensors.File) (*saved, error) {
	text, ok := f.Metadata()[checkpointKey]
	if !ok {
		return nil, errors.New("it is not a checkpoint")
	}
	p := &saved{}
	if err := json.Unmarshal([]byte(text), p); err != nil {
		return nil, fmt.Errorf("metadata %q: %w", checkpointKey, err)
	}
	if p.Version != savedVersion {
		return nil, fmt.Errorf("it is a checkpoint of version %d, and %d is known", p.Version, savedVersion)
	}
	_, isStep := stepOf(p.Best.File)
	switch {
	case p.Steps < 0, p.Position.Epoch < 0, p.Position.Batch < 0, p.Part.Steps < 0, p.Part.Samples < 0,
		p.Best.Epoch < 0, p.Best.Worse < 0, p.Best.File != "" && !isStep, math.IsNaN(float64(p.Best.Value)):
		return nil, fmt.Errorf("metadata %q is not that of a run", checkpointKey)
	}
	return p, nil
}

// verify compares the variables with their checksum.
func (p *saved) verify(f *safetensors.File) error {
	arrays := f.Arrays()
	slices.SortFunc(arrays, func(a, b safetensors.Array) int { return strings.Compare(a.Name, b.Name) })
	sum := uint32(0)
	for _, a := range arrays {
		err := f.View(a.Name, func(t *tensor.Tensor) error {
			sum = crc32.Update(sum, castagnoli, t.Bytes())
			return nil
		})
		if err != nil {
			return err
		}
	}
	if sum != p.Checksum {
		return fmt.Errorf("the variables are damaged: their checksum is %08x, not %08x", sum, p.Checksum)
	}
	return nil
}
