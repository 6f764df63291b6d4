package session

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"dumbtorch/internal/spell"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/tensor"
)

// Feeds gives a value to every input of a step. Run copies them: they stay the caller's, who must not change them meanwhile.
type Feeds map[string]*tensor.Tensor

// fits reports whether feeds are exactly one tensor of the given type for each input.
func (src *source) fits(feeds Feeds, ts []types.Type) bool {
	if len(feeds) != len(src.inputs) {
		return false
	}
	for i := range src.inputs {
		t := feeds[src.inputs[i].name]
		if t == nil || !t.Type().Equal(ts[i]) {
			return false
		}
	}
	return true
}

// sizesFrom returns the sizes that feeds give to the named dimensions, or what is wrong with the feeds.
func (src *source) sizesFrom(feeds Feeds) ([]int, error) {
	if err := src.checkNames(feeds); err != nil {
		return nil, err
	}
	sizes := make([]int, len(src.dims))
	from := make([]int, len(src.dims)) // the input that gave the size, from 1
	for i := range src.inputs {
		in := &src.inputs[i]
		t := feeds[in.name]
		if t == nil {
			return nil, feedError("feed %q is nil, expected %s", in.name, in)
		}
		if !in.matches(t.Type()) {
			return nil, feedError("feed %q: expected %s, got %s", in.name, in, t.Type())
		}
		for j, d := range in.dims {
			if d.name == "" {
				continue
			}
			k, n := slices.Index(src.dims, d.name), t.Shape()[j]
			if d.max > 0 && n > d.max {
				return nil, feedError("feed %q: dimension %s of %s is %d in %s, at most %d is possible", in.name, d.name, in, n, t.Type(), d.max)
			}
			if from[k] != 0 && sizes[k] != n {
				first := src.inputs[from[k]-1]
				if first.name == in.name {
					return nil, feedError("feed %q: dimension %s of %s is both %d and %d in %s", in.name, d.name, in, sizes[k], n, t.Type())
				}
				return nil, feedError("dimension %s is %d in feed %q %s, but %d in feed %q %s",
					d.name, sizes[k], first.name, feeds[first.name].Type(), n, in.name, t.Type())
			}
			sizes[k], from[k] = n, i+1
		}
	}
	return sizes, nil
}

// checkNames compares the names of feeds and inputs.
func (src *source) checkNames(feeds Feeds) error {
	var known, described []string
	for i := range src.inputs {
		in := &src.inputs[i]
		known = append(known, in.name)
		described = append(described, fmt.Sprintf("%s %s", in.name, in))
	}
	for _, name := range slices.Sorted(maps.Keys(feeds)) {
		if !slices.Contains(known, name) {
			if len(known) == 0 {
				return feedError("unknown feed %q: this step has no inputs", name)
			}
			return feedError("unknown feed %q%s (inputs: %s)", name, spell.DidYouMean(name, known), strings.Join(described, ", "))
		}
	}
	var missing []string
	for i, name := range known {
		if _, ok := feeds[name]; !ok {
			missing = append(missing, described[i])
		}
	}
	if len(missing) > 0 {
		return feedError("missing feed: %s", strings.Join(missing, ", "))
	}
	return nil
}

func feedError(format string, args ...any) error {
	return &tagged{ErrFeed, fmt.Sprintf(format, args...)}
}
