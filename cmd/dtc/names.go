package main

import (
	"errors"
	"slices"
	"strings"

	"dumbtorch/internal/spell"
	"dumbtorch/passes"
	"dumbtorch/runtime/device"
)

// didYouMean returns `: did you mean "x"?` where a known name is near, else the
// list of what there is.
func didYouMean(name string, known []string) string {
	if hint := spell.DidYouMean(name, known); hint != "" {
		return hint
	}
	return " (there are " + strings.Join(known, ", ") + ")"
}

// oneOf returns an error unless v, which is a thing of the given kind, is one of
// the values that a flag takes.
func oneOf(flag, kind, v string, values []string) error {
	if slices.Contains(values, v) {
		return nil
	}
	return misusef("flag --%s: unknown %s %q%s", flag, kind, v, didYouMean(v, values))
}

// passNames returns the names of the passes in order, without the switches.
func passNames() []string {
	var names []string
	for _, p := range passes.Passes() {
		if p.Stage != "switch" {
			names = append(names, p.Name)
		}
	}
	return names
}

// offNames returns what can be left out, each once.
func offNames() []string {
	var names []string
	for _, p := range passes.Passes() {
		if p.CanBeOff && !slices.Contains(names, p.Name) {
			names = append(names, p.Name)
		}
	}
	return names
}

// defaultDevice is the fastest device that every machine has.
func defaultDevice() string {
	if slices.Contains(device.Kinds(), "cpu") {
		return "cpu"
	}
	return "interp"
}

// openDevice opens the device that a flag names.
func openDevice(name string) (device.Device, error) {
	kind, _, _ := strings.Cut(name, ":")
	if !slices.Contains(device.Kinds(), kind) {
		return nil, misusef("flag --device: unknown device %q%s", name, didYouMean(kind, device.Kinds()))
	}
	dev, err := device.Open(name)
	switch {
	case errors.Is(err, device.ErrUnavailable):
		return nil, err
	case err != nil:
		return nil, misusef("flag --device: %w", err)
	}
	return dev, nil
}

// deviceKinds returns the names of the devices.
func deviceKinds() []string { return device.Kinds() }

// kernelPassNames returns the names of the passes that work on kernels.
func kernelPassNames() []string {
	var names []string
	for _, p := range passes.Passes() {
		if p.Stage == "kernel" {
			names = append(names, p.Name)
		}
	}
	return names
}
