package main

import (
	_ "embed"
	"fmt"

	"dumbtorch/nn/data"
)

// opticks is the default text: the first part of Book One of Isaac Newton's
// "Opticks", fourth edition, London 1730, in plain ASCII.
//
//go:embed opticks.txt
var opticks string

// split cuts a text into parts to train on and, its last tenth, to test on: the
// parts of context tokens each that follow each other.
func split(ids []int32, context int) (training, test *data.Windows, err error) {
	first, last, err := data.SplitTokens(ids, 0.1)
	if err != nil {
		return nil, nil, err
	}
	if len(last) <= context {
		return nil, nil, fmt.Errorf("a text of %d characters is too short: the last tenth of it must be longer than the context, %d", len(ids), context)
	}
	if training, err = data.NewWindows(first, context, context); err != nil {
		return nil, nil, err
	}
	test, err = data.NewWindows(last, context, context)
	return training, test, err
}

// inputs are the fields of [data.Windows] as the model calls them.
var inputs = map[string]string{"x": "ids", "y": "labels"}
