package train

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"dumbtorch/runtime/tensor"
)

// CSVLog is a [Logger] that writes a file of comma-separated values with a header
// (RFC 4180): a row for every epoch, with the number of the epoch, of steps so
// far, the seconds of its training, its samples per second, and the metrics of
// training and, with the name of the data before them, of evaluation; or, with
// Every, a row for every n-th step, with the learning rate where there is one. A
// run that starts anew replaces the file; one that is resumed goes on in it.
type CSVLog struct {
	path  string
	every int
	info  RunInfo
	steps int // so far
	file  *os.File
	w     *bufio.Writer
	head  []string // the columns; nil before there are any
	ready bool     // the columns are those of this run
	cells []byte
	timer flushTimer
}

// NewCSVLog returns the log of a run in a file: of epochs, or of every n-th step if
// every is not 0. Close it after the run.
func NewCSVLog(path string, every int) (*CSVLog, error) {
	if every < 0 {
		return nil, fmt.Errorf("csv log %s: every %d steps: at least 0", path, every)
	}
	return &CSVLog{path: path, every: every}, nil
}

// Begin opens the file; see [Logger].
func (l *CSVLog) Begin(info RunInfo) error {
	l.info, l.steps, l.head, l.ready = info, info.Steps, nil, false
	if err := l.begin(); err != nil {
		return fmt.Errorf("csv log: %w", err)
	}
	return nil
}

func (l *CSVLog) begin() error {
	if err := l.Close(); err != nil {
		return err
	}
	var kept []byte
	if l.info.Steps > 0 {
		var err error
		if kept, err = l.readBack(); err != nil {
			return err
		}
	}
	err := tensor.WriteFileAtomic(l.path, func(w io.Writer) error {
		_, err := w.Write(kept)
		return err
	})
	if err != nil {
		return err
	}
	if l.file, err = os.OpenFile(l.path, os.O_WRONLY|os.O_APPEND, 0); err != nil {
		return err
	}
	l.w = bufio.NewWriter(l.file)
	return nil
}

// readBack returns the part of an earlier file that is still true: the header and
// the rows up to the first that is cut short or of a step that is made again.
func (l *CSVLog) readBack() ([]byte, error) {
	all, err := os.ReadFile(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r := csv.NewReader(strings.NewReader(string(all)))
	head, err := r.Read()
	if err == io.EOF || err == nil && all[r.InputOffset()-1] != '\n' {
		return nil, nil // not even the header is whole
	}
	column := slices.Index(head, "step")
	if err != nil || column < 0 {
		return nil, fmt.Errorf("%s is not the log of a run that could be resumed: it has no column \"step\"", l.path)
	}
	l.head = head
	end := r.InputOffset()
	for {
		row, err := r.Read()
		if err != nil {
			break
		}
		step, err := strconv.Atoi(row[column])
		if err != nil || step > l.info.Steps || all[r.InputOffset()-1] != '\n' {
			break
		}
		end = r.InputOffset()
	}
	return all[:end], nil
}

// Step writes a row; see [Logger].
func (l *CSVLog) Step(s *Step) error {
	l.steps = s.Number
	if l.every == 0 || s.Number%l.every != 0 {
		return nil
	}
	l.int(int64(s.Place.Epoch + 1))
	l.int(int64(s.Number))
	if l.info.Rate {
		l.float(s.Rate)
	}
	for _, m := range s.Metrics {
		l.float(m.Value)
	}
	return l.row(func() []string {
		head := []string{"epoch", "step"}
		if l.info.Rate {
			head = append(head, "rate")
		}
		return append(head, s.Metrics.names()...)
	})
}

// Epoch writes a row; see [Logger].
func (l *CSVLog) Epoch(e *Epoch) error {
	if l.every != 0 {
		return nil
	}
	l.int(int64(e.Number))
	l.int(int64(l.steps))
	l.float(e.Time.Seconds())
	l.float(e.SamplesPerSecond())
	for _, m := range slices.Concat(e.Metrics, e.Eval) {
		l.float(m.Value)
	}
	return l.row(func() []string {
		head := append([]string{"epoch", "step", "seconds", "samples/s"}, e.Metrics.names()...)
		for _, name := range e.Eval.names() {
			head = append(head, l.info.EvalName+" "+name)
		}
		return head
	})
}

func (l *CSVLog) int(v int64) { l.cells = append(strconv.AppendInt(l.cells, v, 10), ',') }
func (l *CSVLog) float(v float64) {
	l.cells = append(strconv.AppendFloat(l.cells, v, 'g', -1, 64), ',')
}

// row writes what was put into cells, and before the first row the header.
func (l *CSVLog) row(columns func() []string) error {
	cells := l.cells
	l.cells = l.cells[:0]
	if l.w == nil {
		return fmt.Errorf("csv log %s: it is not open", l.path)
	}
	if !l.ready {
		if err := l.header(columns()); err != nil {
			return fmt.Errorf("csv log: %w", err)
		}
		l.ready = true
	}
	cells[len(cells)-1] = '\n'
	if _, err := l.w.Write(cells); err != nil {
		return fmt.Errorf("csv log: %w", err)
	}
	if l.timer.due() {
		return l.Flush()
	}
	return nil
}

// header writes the names of the columns, unless the file has them.
func (l *CSVLog) header(names []string) error {
	if l.head == nil {
		w := csv.NewWriter(l.w)
		l.head = names
		w.Write(names)
		w.Flush()
		return w.Error()
	}
	if !slices.Equal(l.head, names) {
		return fmt.Errorf("%s has the columns %s, and this run makes %s", l.path, strings.Join(l.head, ","), strings.Join(names, ","))
	}
	return nil
}

// Flush writes out what is held back; see [Logger].
func (l *CSVLog) Flush() error {
	if l.w == nil {
		return nil
	}
	if err := l.w.Flush(); err != nil {
		return fmt.Errorf("csv log: %w", err)
	}
	return nil
}

// Close flushes and closes the file. Closing twice is fine.
func (l *CSVLog) Close() error {
	if l.file == nil {
		return nil
	}
	err := errors.Join(l.Flush(), l.file.Close())
	l.file, l.w = nil, nil
	return err
}

// flushTimer says when records shall be written out for those who watch a run.
type flushTimer struct{ last time.Time }

// due reports whether it is time, every other second.
func (f *flushTimer) due() bool {
	now := time.Now()
	if now.Sub(f.last) < 2*time.Second {
		return false
	}
	f.last = now
	return true
}
