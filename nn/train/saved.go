package train

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
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
	Checksum uint32 // digest of everything else
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

// digest is the CRC-32C of everything in a checkpoint but the checksum: names,
// types and bytes of the variables, in the order of their names, other metadata,
// and what is saved besides.
type digest struct{ sum uint32 }

func (d *digest) add(b []byte) {
	// The lengths keep the parts apart.
	d.sum = crc32.Update(d.sum, castagnoli, binary.LittleEndian.AppendUint64(nil, uint64(len(b))))
	d.sum = crc32.Update(d.sum, castagnoli, b)
}

func (d *digest) tensor(name string, t *tensor.Tensor) {
	d.add([]byte(name))
	d.add([]byte(t.Type().String()))
	d.add(t.Bytes())
}

func (d *digest) rest(meta map[string]string, p saved) error {
	for _, key := range slices.Sorted(maps.Keys(meta)) {
		if key != checkpointKey {
			d.add([]byte(key))
			d.add([]byte(meta[key]))
		}
	}
	p.Checksum = 0
	b, err := json.Marshal(p)
	d.add(b)
	return err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encode returns the metadata of a checkpoint with the given variables, sorted by
// name, and other metadata.
func (p saved) encode(arrays []tensor.Named, meta map[string]string) (string, error) {
	p.Version = savedVersion
	var d digest
	for _, a := range arrays {
		d.tensor(a.Name, a.Tensor)
	}
	if err := d.rest(meta, p); err != nil {
		return "", err
	}
	p.Checksum = d.sum
	b, err := json.Marshal(p)
	return string(b), err
}

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

// verify compares a file with its checksum.
func (p *saved) verify(f *safetensors.File) error {
	arrays := f.Arrays()
	slices.SortFunc(arrays, func(a, b safetensors.Array) int { return strings.Compare(a.Name, b.Name) })
	var d digest
	for _, a := range arrays {
		err := f.View(a.Name, func(t *tensor.Tensor) error {
			d.tensor(a.Name, t)
			return nil
		})
		if err != nil {
			return err
		}
	}
	if err := d.rest(f.Metadata(), *p); err != nil {
		return err
	}
	if d.sum != p.Checksum {
		return fmt.Errorf("it is damaged: its checksum is %08x, not %08x", d.sum, p.Checksum)
	}
	return nil
}
