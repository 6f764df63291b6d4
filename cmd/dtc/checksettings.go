package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"dumbtorch/passes"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/interp"
	"dumbtorch/runtime/tensor"
)

// A setting is one way to compile and run the program.
type setting struct {
	name string
	off  []string
	seed uint64 // of the order of independent nodes
	// exact says that the bits must be those of the device with all passes.
	exact bool
}

// noReuse is the switch that gives every value memory of its own.
const noReuse = "memplan-reuse"

// settingsOf returns the settings that every device is checked with; the first
// has all passes.
func settingsOf() []setting {
	list := []setting{{name: "all passes"}, {name: "no passes", off: offNames()}}
	for _, name := range offNames() {
		list = append(list, setting{name: name + " off", off: []string{name}, exact: name == noReuse})
	}
	for seed := uint64(1); seed <= 2; seed++ {
		list = append(list, setting{name: fmt.Sprintf("shuffled, seed %d", seed), seed: seed})
	}
	return list
}

// threadCounts are the numbers of threads that must give the same bits.
var threadCounts = []int{1, 2, 5}

// settings runs the reference and all settings of all devices.
func (c *checker) settings(ctx context.Context) error {
	ref := interp.New()
	defer ref.Close()
	start := time.Now()
	want, err := c.execute(ctx, ref, setting{off: offNames()})
	var bad *device.CheckError
	if errors.As(err, &bad) && len(c.random) > 0 {
		return fmt.Errorf("%w\nthe values of %s are random: give those that are indices with --feed or --var", err, strings.Join(c.random, ", "))
	}
	if err != nil {
		return fmt.Errorf("reference: %w", err)
	}
	c.want = want
	c.row("interp", "no passes", "", "", "reference", time.Since(start))
	for _, name := range c.devices {
		if err := c.device(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// execute returns outputs and variables after one run.
func (c *checker) execute(ctx context.Context, dev device.Device, s setting) ([]tensor.Named, error) {
	cfg, err := c.config()
	if err != nil {
		return nil, err
	}
	cfg.Check, cfg.Seed = true, s.seed
	cfg.Off = maps.Clone(cfg.Off)
	if cfg.Off == nil {
		cfg.Off = map[string]bool{}
	}
	for _, name := range s.off {
		cfg.Off[name] = true
	}
	outs, after, err := execute(ctx, dev, cfg, c.p.graph, c.feeds, c.vars)
	return append(outs, after...), err
}

// device checks one device; an error ends the command.
func (c *checker) device(ctx context.Context, name string) error {
	dev, err := openDevice(name)
	if errors.Is(err, device.ErrUnavailable) {
		c.row(name, "", "", "", "skipped: "+err.Error(), 0)
		return nil
	}
	if err != nil {
		return err
	}
	defer dev.Close()
	var all []tensor.Named
	for i, s := range settingsOf() {
		if name == "interp" && slices.Equal(s.off, offNames()) {
			continue // the reference
		}
		got, err := c.compare(ctx, dev, name, s, all)
		if err != nil {
			return err
		}
		if i == 0 {
			all = got
		}
	}
	if all == nil {
		return nil
	}
	same := setting{exact: true}
	switch {
	case name == "interp":
		poisoned := interp.New(interp.WithPoison())
		defer poisoned.Close()
		same.name = "poisoned arena"
		_, err = c.compare(ctx, poisoned, name, same, all)
	case name == "cpu":
		for _, n := range threadCounts {
			if err = c.threads(ctx, fmt.Sprintf("%s:%d", name, n), n, all); err != nil {
				break
			}
		}
	}
	return err
}

func (c *checker) threads(ctx context.Context, name string, n int, all []tensor.Named) error {
	dev, err := openDevice(name)
	if err != nil {
		return err
	}
	defer dev.Close()
	_, err = c.compare(ctx, dev, name, setting{name: fmt.Sprintf("%d threads", n), exact: true}, all)
	return err
}

// compare runs one setting, prints its row, and returns what it gave; nil if it
// failed. all is what the device gave with all passes.
func (c *checker) compare(ctx context.Context, dev device.Device, name string, s setting, all []tensor.Named) ([]tensor.Named, error) {
	start := time.Now()
	got, err := c.execute(ctx, dev, s)
	took := time.Since(start)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var bug *passes.PassError
	if err != nil {
		c.failed++
		c.row(name, s.name, "", "", "FAILED", took)
		fmt.Fprintf(c.log, "dtc: %s, %s: %v\n", name, s.name, err)
		if errors.As(err, &bug) && bug.Stack != nil {
			fmt.Fprintf(c.log, "%s", bug.Stack)
		}
		return nil, nil
	}
	d, err := worst(got, c.want, c.tolerance)
	if err != nil {
		return nil, fmt.Errorf("%s, %s: %w", name, s.name, err)
	}
	verdict, note := "ok", ""
	if d.bad {
		if e, err := worst(got, c.want, forgiving(c.inexact(ctx), c.tolerance)); err == nil && !e.bad {
			d.bad, note = false, fmt.Sprintf(" (the reference is off by %.1e itself)", slices.Max(c.rounding))
		} else {
			verdict = "WRONG"
		}
	}
	if s.exact && all != nil && !d.bad {
		e, err := differentBits(got, all)
		if err != nil {
			return nil, fmt.Errorf("%s, %s: %w", name, s.name, err)
		}
		verdict = "ok, same bits"
		if e.bad {
			d, verdict, note = e, "BITS DIFFER from all passes", ""
		}
	}
	if !strings.HasPrefix(verdict, "ok") {
		c.failed++
	}
	c.row(name, s.name, d.String(), d.where, verdict+note, took)
	return got, nil
}
