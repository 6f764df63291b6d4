package train

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress tells a person how far a run is.
type progress interface {
	begin(epoch, batch, batches int)
	step(*Step)
	end() // of the steps and the evaluation, also after an error
	epoch(*Epoch)
	note(text string)
}

// newProgress returns lines, with a bar on a terminal, or silence.
func newProgress(c *Config) progress {
	if c.Progress == nil {
		return silence{}
	}
	l := lines{w: c.Progress, epochs: c.Epochs, evalName: c.EvalName, unit: c.Unit}
	if IsTerminal(c.Progress) {
		return &bar{lines: l}
	}
	return &l
}

// IsTerminal reports whether w is a terminal.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

type silence struct{}

func (silence) begin(_, _, _ int) {}
func (silence) step(*Step)        {}
func (silence) end()              {}
func (silence) epoch(*Epoch)      {}
func (silence) note(string)       {}

// lines prints a line for every epoch, with the time that the rest of the run
// will take.
type lines struct {
	w        io.Writer
	epochs   int
	evalName string
	unit     string
	start    time.Time // of the first epoch that this process made in whole or in part
	first    int       // its number; 0 before it
}

func (l *lines) begin(epoch, _, _ int) {
	if l.first == 0 {
		l.first, l.start = epoch, time.Now()
	}
}

func (l *lines) step(*Step) {}
func (l *lines) end()       {}

func (l *lines) epoch(e *Epoch) {
	fmt.Fprintf(l.w, "epoch %d/%d: %s, %.0f %s/s%s\n", e.Number, l.epochs, e.describe(l.evalName), e.SamplesPerSecond(), l.unit, l.left(e.Number))
}

// left returns ", 1m20s left" after an epoch, as long as it is worth telling.
func (l *lines) left(epoch int) string {
	d := time.Since(l.start) / time.Duration(epoch-l.first+1) * time.Duration(l.epochs-epoch)
	if d < 2*time.Second {
		return ""
	}
	return fmt.Sprintf(", %v left", d.Round(time.Second))
}

func (l *lines) note(text string) { fmt.Fprintln(l.w, text) }

// describe returns the metrics of an epoch: "loss 0.1234, valid accuracy
// 98.76%".
func (e *Epoch) describe(evalName string) string {
	var parts []string
	for _, m := range e.Metrics {
		parts = append(parts, m.String())
	}
	for _, m := range e.Eval {
		parts = append(parts, evalName+" "+m.String())
	}
	return strings.Join(parts, ", ")
}

// String returns name and value, an accuracy in percent.
func (m Metric) String() string {
	if m.Name == "accuracy" {
		return fmt.Sprintf("%s %.2f%%", m.Name, 100*m.Value)
	}
	return fmt.Sprintf("%s %.4f", m.Name, m.Value)
}

// bar adds a bar, with the time that is left of the epoch, that is gone when the
// epoch is complete.
type bar struct {
	lines
	b *progressbar.ProgressBar
}

func (p *bar) begin(epoch, batch, batches int) {
	p.lines.begin(epoch, batch, batches)
	p.b = progressbar.NewOptions(batches,
		progressbar.OptionSetWriter(p.w),
		progressbar.OptionSetDescription(fmt.Sprintf("epoch %d/%d", epoch, p.epochs)),
		progressbar.OptionShowCount(),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)
	p.move(batch)
}

func (p *bar) step(s *Step) { p.move(s.Place.Batch + 1) }

// move draws; a terminal that cannot be written to is no reason to stop.
func (p *bar) move(n int) { _ = p.b.Set(n) }

func (p *bar) end() { _ = p.b.Clear() }
