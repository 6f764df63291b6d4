package safetensors

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"dumbtorch/ir/types"
)

// Limits of a header. The first is that of the format's own implementation, the second that of NumPy and PyTorch.
const (
	maxHeader = 100_000_000
	maxRank   = 64
)

// metadataKey is no name of an array.
const metadataKey = "__metadata__"

// header is the content of a header, arrays in the order of their data.
type header struct {
	arrays   []Array
	metadata map[string]string
}

// parseHeader reads the JSON text of a header whose arrays must fill exactly size bytes of data.
func parseHeader(text []byte, size int64) (*header, error) {
	switch {
	case !utf8.Valid(text):
		return nil, errors.New("it is not UTF-8")
	case len(text) == 0 || text[0] != '{':
		return nil, fmt.Errorf("it begins with %q, not with '{'", text[:min(1, len(text))])
	}
	var all json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, syntax(err)
	}
	p := &parser{json.NewDecoder(bytes.NewReader(text))}
	p.UseNumber()
	h, seen := &header{}, map[string]bool{}
	err := p.object(func(key string) (err error) {
		if seen[key] {
			return fmt.Errorf("%q occurs twice", key)
		}
		seen[key] = true
		if key == metadataKey {
			h.metadata, err = p.strings()
		} else {
			var a Array
			a, err = p.array(key)
			h.arrays = append(h.arrays, a)
		}
		if err != nil {
			return fmt.Errorf("%q: %w", key, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return h, h.layout(size)
}

// syntax adds the place to an error of package json.
func syntax(err error) error {
	var s *json.SyntaxError
	if errors.As(err, &s) {
		return fmt.Errorf("byte %d: %w", s.Offset, err)
	}
	return err
}

// layout sorts the arrays and checks that their data leave no holes and do not overlap.
func (h *header) layout(size int64) error {
	slices.SortStableFunc(h.arrays, func(a, b Array) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.size, b.size))
	})
	at := int64(0)
	for _, a := range h.arrays {
		switch {
		case a.start > at:
			return fmt.Errorf("%q: its data begin at byte %d and leave a hole from byte %d", a.Name, a.start, at)
		case a.start < at:
			return fmt.Errorf("%q: its data begin at byte %d, inside other data that end at byte %d", a.Name, a.start, at)
		case a.size > size-at:
			return fmt.Errorf("%q: %s takes %d bytes from byte %d, and the file has %d bytes of data", a.Name, a, a.size, a.start, size)
		}
		at += a.size
	}
	if at != size {
		return fmt.Errorf("the arrays take %d bytes, and the file has %d bytes of data", at, size)
	}
	return nil
}

// parser reads JSON that is known to be well-formed.
type parser struct{ *json.Decoder }

// object calls entry at the value of every key of an object.
func (p *parser) object(entry func(key string) error) error {
	if err := p.open('{'); err != nil {
		return err
	}
	for p.More() {
		t, err := p.Token()
		if err != nil {
			return err
		}
		key, _ := t.(string)
		if err := entry(key); err != nil {
			return err
		}
	}
	_, err := p.Token()
	return err
}

// open reads the first token of an object or a list.
func (p *parser) open(delim json.Delim) error {
	t, err := p.Token()
	if err == nil && t != delim {
		err = fmt.Errorf("want '%v', found %v", delim, t)
	}
	return err
}

// strings reads an object of strings, or null.
func (p *parser) strings() (map[string]string, error) {
	var raw json.RawMessage
	if err := p.Decode(&raw); err != nil || string(raw) == "null" {
		return nil, err
	}
	q := &parser{json.NewDecoder(bytes.NewReader(raw))}
	m := map[string]string{}
	return m, q.object(func(key string) error {
		t, err := q.Token()
		if err != nil {
			return err
		}
		s, ok := t.(string)
		if _, twice := m[key]; twice {
			return fmt.Errorf("%q occurs twice", key)
		}
		if !ok {
			return fmt.Errorf("%q is %v, not a string", key, t)
		}
		m[key] = s
		return nil
	})
}

// array reads the description of an array. Other fields than those of the format are passed over.
func (p *parser) array(name string) (a Array, err error) {
	a.Name = name
	var offsets []int64
	seen := map[string]bool{}
	err = p.object(func(key string) (err error) {
		if seen[key] {
			return fmt.Errorf("field %q occurs twice", key)
		}
		seen[key] = true
		switch key {
		case "dtype":
			var t json.Token
			if t, err = p.Token(); err != nil {
				return err
			}
			s, ok := t.(string)
			if !ok {
				return fmt.Errorf("its element type is %v, not a string", t)
			}
			a.DType, err = parseDType(s)
		case "shape":
			var dims []int64
			if dims, err = p.numbers(maxRank); err != nil {
				return fmt.Errorf("shape: %w", err)
			}
			a.Shape = make(types.Shape, len(dims))
			for i, d := range dims {
				if d > math.MaxInt {
					return fmt.Errorf("shape: %d is too large", d)
				}
				a.Shape[i] = int(d)
			}
		case "data_offsets":
			if offsets, err = p.numbers(2); err != nil {
				return fmt.Errorf("data_offsets: %w", err)
			}
		default:
			var raw json.RawMessage
			err = p.Decode(&raw)
		}
		return err
	})
	if err != nil {
		return a, err
	}
	for _, field := range []string{"dtype", "shape", "data_offsets"} {
		if !seen[field] {
			return a, fmt.Errorf("field %q is missing", field)
		}
	}
	if len(offsets) != 2 || offsets[0] > offsets[1] {
		return a, fmt.Errorf("data_offsets %v are not a begin and an end", offsets)
	}
	a.start, a.size = offsets[0], offsets[1]-offsets[0]
	want, err := a.checkedSize()
	if err == nil && want != a.size {
		err = fmt.Errorf("%s takes %d bytes, and its data_offsets hold %d", a, want, a.size)
	}
	return a, err
}

// checkedSize returns the bytes that element type and shape take.
func (a Array) checkedSize() (int64, error) {
	if err := a.Shape.Check(); err != nil {
		return 0, err
	}
	bits := int64(a.Shape.Size()) * int64(a.DType.Bits()) // at most 2^48 * 2^6
	if bits%8 != 0 {
		return 0, fmt.Errorf("%s does not fill whole bytes", a)
	}
	return bits / 8, nil
}

// numbers reads a list of at most n integers of at least 0.
func (p *parser) numbers(n int) ([]int64, error) {
	if err := p.open('['); err != nil {
		return nil, err
	}
	var list []int64
	for p.More() {
		t, err := p.Token()
		if err != nil {
			return nil, err
		}
		num, ok := t.(json.Number)
		v, err := strconv.ParseInt(string(num), 10, 64)
		switch {
		case !ok || err != nil || v < 0:
			return nil, fmt.Errorf("%v is not an integer from 0 to 2^63-1", t)
		case len(list) == n:
			return nil, fmt.Errorf("more than %d numbers", n)
		}
		list = append(list, v)
	}
	_, err := p.Token()
	return list, err
}

// format returns the JSON text, padded with spaces so that data after it and its length begin at a multiple of 8.
func (h *header) format() ([]byte, error) {
	least := 0
	for k, v := range h.metadata {
		least += len(k) + len(v)
	}
	for _, a := range h.arrays {
		least += len(a.Name)
	}
	if least > maxHeader {
		return nil, tooLong(least)
	}
	var b bytes.Buffer
	b.WriteByte('{')
	if len(h.metadata) > 0 {
		text, err := marshal(h.metadata)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%q:%s", metadataKey, text)
	}
	for _, a := range h.arrays {
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		name, err := marshal(a.Name)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, `%s:{"dtype":"%s","shape":%s,"data_offsets":[%d,%d]}`, name, a.DType, a.Shape, a.start, a.start+a.size)
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	if b.Len() > maxHeader {
		return nil, tooLong(b.Len())
	}
	return b.Bytes(), nil
}

func tooLong(n int) error {
	return fmt.Errorf("the header would have at least %d bytes, more than the %d that are read", n, maxHeader)
}

// marshal returns JSON without the escapes that are for HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
