package main

import (
	"context"
	"fmt"
	"time"

	"github.com/schollz/progressbar/v3"

	"dumbtorch/examples/models"
	"dumbtorch/nn/data"
	"dumbtorch/nn/data/digits"
	"dumbtorch/nn/train"
)

// Seeds of the drawn digits: -seed does not change the data set.
const (
	trainDigits = 1
	testDigits  = 2
)

// datasets returns the samples to train on and those to test on, as rows of
// normalised pixels.
func (o *options) datasets(ctx context.Context) (training, test *data.Images, err error) {
	switch {
	case o.download:
		if o.dir == "" {
			if o.dir, err = data.MNISTDir(); err != nil {
				return nil, nil, err
			}
		}
		if err := o.fetch(ctx); err != nil {
			return nil, nil, err
		}
		fallthrough
	case o.dir != "":
		training, test, err = data.MNIST(o.dir)
	default:
		if training, err = digits.Dataset(o.samples, trainDigits); err == nil {
			test, err = digits.Dataset(o.samples/10, testDigits)
		}
	}
	if err != nil {
		return nil, nil, err
	}
	for _, d := range []**data.Images{&training, &test} {
		if *d, err = (*d).Normalize(data.MNISTMean, data.MNISTStd); err != nil {
			return nil, nil, err
		}
		if *d, err = (*d).Reshape(models.MNISTPixels); err != nil {
			return nil, nil, err
		}
	}
	return training, test, nil
}

// fetch downloads MNIST into o.dir.
func (o *options) fetch(ctx context.Context) error {
	fmt.Fprintf(o.stdout, "fetching MNIST into %s\n", o.dir)
	var bar *progressbar.ProgressBar
	file := ""
	show := func(p data.Progress) {
		if !train.IsTerminal(o.stdout) {
			if p.Done == p.Total {
				fmt.Fprintf(o.stdout, "%s: %d bytes\n", p.File, p.Done)
			}
			return
		}
		if p.File != file {
			file = p.File
			bar = progressbar.NewOptions64(p.Total,
				progressbar.OptionSetWriter(o.stdout),
				progressbar.OptionSetDescription(p.File),
				progressbar.OptionShowBytes(true),
				progressbar.OptionThrottle(100*time.Millisecond),
				progressbar.OptionClearOnFinish(),
			)
		}
		_ = bar.Set64(p.Done) // a bar that cannot be drawn stops nothing
	}
	return data.Download(ctx, o.dir, show)
}
