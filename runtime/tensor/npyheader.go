package tensor

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"dumbtorch/ir/types"
)

// npyMaxRank is the most dimensions that NumPy reads and so the most that are read and written here.
const npyMaxRank = 64

// npyHeader is what the dict of an npy header says.
type npyHeader struct {
	typ       types.Type
	bigEndian bool
	fortran   bool // data in column-major order
}

// npyCodes names the element types as the array-interface protocol of NumPy does, without the byte order. NumPy has no bf16: it
// goes as V2, two raw bytes, which is what NumPy writes for the bfloat16 of Python's ml_dtypes, and reads back as void.
var npyCodes = map[string]types.DType{
	"b1": types.Bool, "u1": types.U8, "i4": types.I32, "i8": types.I64, "f2": types.F16, "V2": types.BF16, "f4": types.F32, "f8": types.F64,
}

// descrOf returns the descr that NumPy writes for little-endian data.
func descrOf(d types.DType) string {
	for code, dt := range npyCodes {
		if dt == d {
			if d.Size() == 1 {
				return "|" + code
			}
			return "<" + code
		}
	}
	return ""
}

func parseDescr(s string) (d types.DType, bigEndian bool, err error) {
	if strings.HasPrefix(strings.TrimLeft(s, "<>|="), "O") {
		return d, false, fmt.Errorf("element type '%s' is Python objects: they are pickles, which are programs, and never loaded", s)
	}
	if len(s) == 3 {
		d = npyCodes[s[1:]]
		switch order := s[0]; {
		case d == types.Invalid:
		case order == '<', order == '>', order == '|' && (d.Size() == 1 || d == types.BF16):
			return d, order == '>', nil
		}
	}
	return types.Invalid, false, fmt.Errorf("element type %q is not supported (supported: |b1 |u1 <i4 <i8 <f2 <f4 <f8, <V2 as bf16, and > for <)", s)
}

// formatHeader returns the dict that NumPy writes for row-major data, with its room for the outer dimension to grow in place.
func formatHeader(typ types.Type) string {
	var b strings.Builder
	fmt.Fprintf(&b, "{'descr': '%s', 'fortran_order': False, 'shape': (", descrOf(typ.DType))
	for i, d := range typ.Shape {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.Itoa(d))
	}
	if len(typ.Shape) == 1 {
		b.WriteByte(',')
	}
	b.WriteString("), }")
	if len(typ.Shape) > 0 {
		const growth = 21
		b.WriteString(strings.Repeat(" ", growth-len(strconv.Itoa(typ.Shape[0]))))
	}
	return b.String()
}

// parseHeader reads the header's Python literal: a dict of exactly the keys descr, fortran_order and shape, in any order, and
// nothing after it but space. Of Python's grammar it takes what such a dict needs: plain strings, True, False, decimal numbers
// (with the L of Python 2) and tuples of them.
func parseHeader(s string) (npyHeader, error) {
	p := &headerParser{s: s}
	h, err := p.header()
	if err == nil {
		err = h.typ.Shape.Check()
	}
	return h, err
}

type headerParser struct {
	s   string
	pos int
}

func (p *headerParser) header() (h npyHeader, err error) {
	seen := map[string]bool{}
	if err := p.expect('{'); err != nil {
		return h, err
	}
	for !p.accept('}') {
		key, err := p.str()
		if err != nil {
			return h, err
		}
		if seen[key] {
			return h, fmt.Errorf("key %q occurs twice", key)
		}
		seen[key] = true
		if err := p.expect(':'); err != nil {
			return h, err
		}
		switch key {
		case "descr":
			if p.space(); p.pos < len(p.s) && strings.IndexByte("[({", p.s[p.pos]) >= 0 {
				return h, errors.New("structured element types are not supported")
			}
			var descr string
			if descr, err = p.str(); err == nil {
				h.typ.DType, h.bigEndian, err = parseDescr(descr)
			}
		case "fortran_order":
			h.fortran, err = p.boolean()
		case "shape":
			h.typ.Shape, err = p.tuple()
		default:
			err = fmt.Errorf("unknown key %q", key)
		}
		if err != nil {
			return h, err
		}
		if !p.accept(',') {
			if err := p.expect('}'); err != nil {
				return h, err
			}
			break
		}
	}
	if p.space(); p.pos < len(p.s) {
		return h, p.errorf("nothing more")
	}
	for _, key := range []string{"descr", "fortran_order", "shape"} {
		if !seen[key] {
			return h, fmt.Errorf("key %q is missing", key)
		}
	}
	return h, nil
}

func (p *headerParser) space() {
	for p.pos < len(p.s) && strings.IndexByte(" \t\r\n", p.s[p.pos]) >= 0 {
		p.pos++
	}
}

func (p *headerParser) accept(c byte) bool {
	p.space()
	if p.pos < len(p.s) && p.s[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

func (p *headerParser) expect(c byte) error {
	if !p.accept(c) {
		return p.errorf("'" + string(c) + "'")
	}
	return nil
}

func (p *headerParser) errorf(want string) error {
	rest := p.s[p.pos:]
	if rest == "" {
		return fmt.Errorf("want %s, found the end of the header", want)
	}
	return fmt.Errorf("want %s at byte %d, found %q", want, p.pos, rest[:min(len(rest), 16)])
}

func (p *headerParser) str() (string, error) {
	p.space()
	if p.pos < len(p.s) && (p.s[p.pos] == '\'' || p.s[p.pos] == '"') {
		body, _, ok := strings.Cut(p.s[p.pos+1:], p.s[p.pos:p.pos+1])
		if ok && len(body) <= 64 && !strings.ContainsAny(body, "\\\n\r") {
			p.pos += len(body) + 2
			return body, nil
		}
	}
	return "", p.errorf("a plain string")
}

func (p *headerParser) boolean() (bool, error) {
	p.space()
	for _, v := range []struct {
		text  string
		value bool
	}{{"True", true}, {"False", false}} {
		if strings.HasPrefix(p.s[p.pos:], v.text) {
			p.pos += len(v.text)
			return v.value, nil
		}
	}
	return false, p.errorf("True or False")
}

func (p *headerParser) tuple() (types.Shape, error) {
	sh := types.Shape{}
	if err := p.expect('('); err != nil {
		return nil, err
	}
	for !p.accept(')') {
		d, err := p.number()
		if err != nil {
			return nil, err
		}
		if sh = append(sh, d); len(sh) > npyMaxRank {
			return nil, fmt.Errorf("more than %d dimensions", npyMaxRank)
		}
		if p.accept(',') {
			continue
		}
		if len(sh) == 1 {
			return nil, p.errorf("',' after the only number of a tuple")
		}
		if err := p.expect(')'); err != nil {
			return nil, err
		}
		break
	}
	return sh, nil
}

func (p *headerParser) number() (int, error) {
	p.space()
	rest := p.s[p.pos:]
	n := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
	if n == 0 || n > 1 && rest[0] == '0' {
		return 0, p.errorf("a dimension")
	}
	d, err := strconv.Atoi(rest[:n])
	if err != nil {
		return 0, p.errorf("a dimension below 2^63")
	}
	p.pos += n
	if p.pos < len(p.s) && p.s[p.pos] == 'L' {
		p.pos++
	}
	return d, nil
}
