package main

import (
	"fmt"
	"image/color"
	"io"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"dumbtorch/nn/train"
	"dumbtorch/runtime/tensor"
)

// palette holds the colours of curves: blue for training, orange for the test.
var palette = []color.Color{color.RGBA{R: 0x1f, G: 0x77, B: 0xb4, A: 0xff}, color.RGBA{R: 0xff, G: 0x7f, B: 0x0e, A: 0xff}}

// curves collects what -plot draws: x counts epochs.
type curves struct {
	perEpoch                 int // steps of an epoch
	loss, testLoss, accuracy plotter.XYs
}

func (c *curves) step(s *train.Step) error {
	if loss, ok := s.Metrics.Get("loss"); ok && !math.IsInf(loss, 0) {
		c.loss = append(c.loss, plotter.XY{X: float64(s.Number) / float64(c.perEpoch), Y: loss})
	}
	return nil
}

func (c *curves) epoch(e *train.Epoch) {
	if loss, ok := e.Eval.Get("loss"); ok && !math.IsInf(loss, 0) && !math.IsNaN(loss) {
		c.testLoss = append(c.testLoss, plotter.XY{X: float64(e.Number), Y: loss})
	}
	if accuracy, ok := e.Eval.Get("accuracy"); ok {
		c.accuracy = append(c.accuracy, plotter.XY{X: float64(e.Number), Y: 100 * accuracy})
	}
}

// write draws the loss above the accuracy into a PNG file, which holds either
// its old content or all of the new.
func (c *curves) write(path string) error {
	loss, accuracy := plot.New(), plot.New()
	loss.Title.Text, loss.X.Label.Text, loss.Y.Label.Text = "Loss", "epoch", "cross-entropy"
	accuracy.Title.Text, accuracy.X.Label.Text, accuracy.Y.Label.Text = "Accuracy on the test data", "epoch", "%"
	for _, s := range []struct {
		p      *plot.Plot
		name   string
		points plotter.XYs
		hue    int
	}{{loss, "training, by step", c.loss, 0}, {loss, "test", c.testLoss, 1}, {accuracy, "test", c.accuracy, 1}} {
		if err := addLine(s.p, s.name, s.points, s.hue); err != nil {
			return fmt.Errorf("draw %s: %w", path, err)
		}
	}
	accuracy.Legend = plot.NewLegend() // the title says it all
	for _, p := range []*plot.Plot{loss, accuracy} {
		p.X.Min = 0
	}
	img := vgimg.NewWith(vgimg.UseWH(6*vg.Inch, 7*vg.Inch), vgimg.UseDPI(110))
	tiles := draw.Tiles{Rows: 2, Cols: 1, PadX: vg.Millimeter, PadY: 4 * vg.Millimeter,
		PadTop: 2 * vg.Millimeter, PadBottom: 2 * vg.Millimeter, PadLeft: 2 * vg.Millimeter, PadRight: 4 * vg.Millimeter}
	canvas := draw.New(img)
	for i, row := range plot.Align([][]*plot.Plot{{loss}, {accuracy}}, tiles, canvas) {
		[]*plot.Plot{loss, accuracy}[i].Draw(row[0])
	}
	err := tensor.WriteFileAtomic(path, func(w io.Writer) error {
		_, err := vgimg.PngCanvas{Canvas: img}.WriteTo(w)
		return err
	})
	if err != nil {
		return fmt.Errorf("draw %s: %w", path, err)
	}
	return nil
}

// addLine adds a curve with its name; a single point becomes a dot.
func addLine(p *plot.Plot, name string, points plotter.XYs, hue int) error {
	if len(points) == 0 {
		return nil
	}
	line, dots, err := plotter.NewLinePoints(points)
	if err != nil {
		return err
	}
	line.Color, dots.Color = palette[hue], palette[hue]
	dots.Shape, dots.Radius = draw.CircleGlyph{}, vg.Points(2)
	p.Add(line)
	if len(points) < 50 {
		p.Add(dots)
	}
	p.Legend.Add(name, line)
	p.Legend.Top = true
	return nil
}
