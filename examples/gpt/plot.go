package main

import (
	"encoding/csv"
	"fmt"
	"image/color"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"dumbtorch/nn/train"
	"dumbtorch/runtime/tensor"
)

// curves collects what -plot draws: x counts steps.
type curves struct {
	loss, valid plotter.XYs
	last        int // step
}

func (c *curves) step(s *train.Step) error {
	c.last = s.Number
	if loss, ok := s.Metrics.Get("loss"); ok && !math.IsInf(loss, 0) {
		c.loss = append(c.loss, plotter.XY{X: float64(s.Number), Y: loss})
	}
	return nil
}

func (c *curves) epoch(e *train.Epoch) {
	if loss, ok := e.Eval.Get("loss"); ok && !math.IsInf(loss, 0) && !math.IsNaN(loss) {
		c.valid = append(c.valid, plotter.XY{X: float64(c.last), Y: loss})
	}
}

// write draws the losses into a PNG file, which holds either its old content or
// all of the new, beside those of the CSV file compare, if there is one.
func (c *curves) write(path, compare string) error {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = "Loss", "step", "cross-entropy of a character"
	p.Legend.Top = true
	var other plotter.XYs
	if compare != "" {
		var err error
		if other, err = readCurve(compare); err != nil {
			return err
		}
	}
	blue, orange, green := color.RGBA{R: 0x9e, G: 0xc5, B: 0xe3, A: 0xff}, color.RGBA{R: 0xff, G: 0x7f, B: 0x0e, A: 0xff}, color.RGBA{R: 0x2c, G: 0xa0, B: 0x2c, A: 0xff}
	for _, s := range []struct {
		name   string
		points plotter.XYs
		hue    color.Color
		dots   bool
		dashes []vg.Length
	}{
		{"training, by step", c.loss, blue, false, nil}, {"validation", c.valid, orange, true, nil},
		{"validation, " + strings.TrimSuffix(filepath.Base(compare), filepath.Ext(compare)), other, green, true, []vg.Length{vg.Points(5), vg.Points(4)}},
	} {
		if len(s.points) == 0 {
			continue
		}
		line, dots, err := plotter.NewLinePoints(s.points)
		if err != nil {
			return fmt.Errorf("draw %s: %w", path, err)
		}
		line.Color, dots.Color, line.Dashes = s.hue, s.hue, s.dashes
		dots.Shape, dots.Radius = draw.CircleGlyph{}, vg.Points(2)
		p.Add(line)
		if s.dots {
			p.Add(dots)
		}
		p.Legend.Add(s.name, line)
	}
	p.X.Min = 0
	img := vgimg.NewWith(vgimg.UseWH(6*vg.Inch, 4*vg.Inch), vgimg.UseDPI(110))
	p.Draw(draw.New(img))
	err := tensor.WriteFileAtomic(path, func(w io.Writer) error {
		_, err := vgimg.PngCanvas{Canvas: img}.WriteTo(w)
		return err
	})
	if err != nil {
		return fmt.Errorf("draw %s: %w", path, err)
	}
	return nil
}

// readCurve reads the columns "step" and "valid" of a CSV file, as
// testdata/parity/gpt.py writes it.
func readCurve(path string) (plotter.XYs, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(rows) < 2 || len(rows[0]) != 3 || rows[0][0] != "step" || rows[0][2] != "valid" {
		return nil, fmt.Errorf("%s: not a CSV file of step, loss and valid", path)
	}
	var c plotter.XYs
	for i, row := range rows[1:] {
		x, errX := strconv.ParseFloat(row[0], 64)
		y, errY := strconv.ParseFloat(row[2], 64)
		if errX != nil || errY != nil || math.IsNaN(x+y) || math.IsInf(x+y, 0) {
			return nil, fmt.Errorf("%s:%d: step %q and loss %q are not finite numbers", path, i+2, row[0], row[2])
		}
		c = append(c, plotter.XY{X: x, Y: y})
	}
	return c, nil
}
