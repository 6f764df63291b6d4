package proof

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A tally counts what became of the cases of every entry. A case counts once: it
// passes if it does on every device.
type tally struct {
	rows map[string]*tallyRow
	seen map[int]verdict
}

type tallyRow struct {
	samples, passed           int
	errors, refused, accepted int
	left                      map[string]int
}

func newTally(list []*drawn) *tally {
	p := &tally{rows: map[string]*tallyRow{}, seen: map[int]verdict{}}
	for _, c := range list {
		r := p.rows[c.Op]
		if r == nil {
			r = &tallyRow{left: map[string]int{}}
			p.rows[c.Op] = r
		}
		switch {
		case c.Skip != "":
			r.left[c.Skip]++
		case c.Error != "":
			r.errors++
		default:
			r.samples++
		}
	}
	return p
}

func (p *tally) add(c *drawn, v verdict) {
	r := p.rows[c.Op]
	if old, again := p.seen[c.number]; again {
		if old.passed && !v.passed {
			r.passed--
		}
		return
	}
	p.seen[c.number] = v
	switch {
	case v.passed:
		r.passed++
	case v.refused:
		r.refused++
	case v.accepted:
		r.accepted++
	case v.left != "":
		r.left[v.left]++
		if c.Error != "" {
			r.errors--
		} else {
			r.samples--
		}
	}
}

// markdown returns the table.
func (p *tally) markdown(t *testing.T, base string) string {
	f, err := os.Open(base + ".jsonl")
	require.NoError(t, err)
	defer f.Close()
	lines := bufio.NewScanner(f)
	require.True(t, lines.Scan())
	var head struct{ Torch string }
	require.NoError(t, json.Unmarshal(lines.Bytes(), &head))
	all, err := os.ReadFile(base + ".names")
	require.NoError(t, err)

	var total tallyRow
	var b strings.Builder
	for _, r := range p.rows {
		total.samples += r.samples
		total.passed += r.passed
		total.errors += r.errors
		total.refused += r.refused
	}
	unmapped := map[string][]string{}
	for n := range strings.FieldsSeq(string(all)) {
		if _, ok := entries[n]; !ok {
			why := whyNot(n)
			unmapped[why] = append(unmapped[why], n)
		}
	}
	fmt.Fprintf(&b, `# Parity with PyTorch's op_db

Samples that PyTorch's authors wrote for their own tests (op_db of
torch.testing._internal.common_methods_invocations, PyTorch %s), run as programs
in text form, forward and backward, on every device. Values and gradients must
agree within the tolerances of torch.testing.assert_close, widened by 64 units of
the last place of the largest element.
opdb/README.md says how this table is made; the mapping stands in proof/opdb_*.

%d of %d entries are mapped. Of them %d of %d samples pass, and %d of %d inputs
that PyTorch refuses are refused; what is accepted instead means something here:
operands of other types are promoted, numbers are operands, batches may be missing.

| entry | samples | passed | refused | left out, and why |
|---|---:|---:|---:|---|
`, head.Torch, len(p.rows), len(strings.Fields(string(all))), total.passed, total.samples, total.refused, total.errors)
	for _, n := range slices.Sorted(maps.Keys(p.rows)) {
		r := p.rows[n]
		refused := ""
		if r.errors > 0 {
			refused = fmt.Sprintf("%d of %d", r.refused, r.errors)
		}
		var left []string
		for _, why := range slices.Sorted(maps.Keys(r.left)) {
			left = append(left, fmt.Sprintf("%d: %s", r.left[why], why))
		}
		fmt.Fprintf(&b, "| %s | %d | %d | %s | %s |\n", n, r.samples, r.passed, refused, strings.ReplaceAll(strings.Join(left, "; "), "|", `\|`))
	}
	b.WriteString("\n## Entries without a counterpart\n")
	for _, why := range slices.Sorted(maps.Keys(unmapped)) {
		fmt.Fprintf(&b, "\n%s: %s.\n", why, strings.Join(unmapped[why], ", "))
	}
	return b.String()
}

// reasons are why entries have no counterpart, by expressions that their names
// match; the first that does counts.
var reasons = []struct {
	why   string
	names *regexp.Regexp
}{
	{"Fourier transforms and complex numbers", regexp.MustCompile(`^(fft\.|i?stft|.*complex|.*polar$|angle|imag|real|conj|resolve_|isreal|view_as_real|cfloat|cdouble|chalf)`)},
	{"Masked reductions", regexp.MustCompile(`^masked\.`)},
	{"Matrix decompositions, inverses and solvers", regexp.MustCompile(`^(linalg\.|svd|lu|cholesky|geqrf|ormqr|triangular_solve|pinverse|pca|matrix_exp|logdet|corrcoef|cov$|norm/nuc)`)},
	{"Functions that are no composition of elementary ones, and windows of signals", regexp.MustCompile(`^(special\.|signal\.|.*gamma|i0|erfc|erfinv)`)},
	{"Inverse trigonometric functions", regexp.MustCompile(`^(acos|asin|atan2?)$`)},
	{"Sorting and selection", regexp.MustCompile(`^(.*sort|topk|kthvalue|.*median|.*quantile|unique|bucketize|hist|bincount|mode$)`)},
	{"Shapes that depend on the data", regexp.MustCompile(`^(.*nonzero|masked_s|argwhere|unravel)`)},
	{"Random numbers, whose generator is another one", regexp.MustCompile(`^(rand|.*normal|uniform|bernoulli|cauchy|exponential|geometric|multinomial|.*dropout|.*rrelu)`)},
	{"Views, storage and layouts, which values here have not", regexp.MustCompile(`^(as_strided|.*empty|resize|.*_copy$|.*sparse|clone|contiguous|to$|zero_)`)},
	{"Results that are no tensors", regexp.MustCompile(`^(item|equal|allclose|broadcast_shapes|hash_tensor)`)},
	{"Kernels of PyTorch's own and of its compiler", regexp.MustCompile(`^(native_|_|torch\.|jiterator|bmm/triton|.*linear_cross_entropy|.*without_cudnn|.*_backward)`)},
	{"Integers as bits, and the parts of numbers", regexp.MustCompile(`^(bitwise_|gcd|lcm|signbit|nextafter|frexp|copysign)`)},
	{"Element types that values here have not, or not from f32", regexp.MustCompile(`^(bfloat16|half|short|char|byte)$`)},
}

func whyNot(name string) string {
	for _, r := range reasons {
		if r.names.MatchString(name) {
			return r.why
		}
	}
	return "Not mapped"
}
