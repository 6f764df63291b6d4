package amd64

import (
	"encoding/binary"
	"fmt"
)

// An Assembler appends instructions to a buffer. A mistake, such as an operand
// that an instruction cannot take, is kept and returned by [Assembler.Finish].
type Assembler struct {
	buf    []byte
	labels []int // offset; -1: not bound
	jumps  []jump
	pool   []byte
	slots  map[string]int // offset in the pool
	refs   []poolRef
	mod    modifier
	noEVEX bool
	err    error
}

// A Label is a place in the code that jumps go to.
type Label int

type jump struct {
	at    int // offset of the 32-bit displacement
	label Label
}

type poolRef struct {
	at, end int // offset of the displacement, and of the next instruction
	slot    int
}

// modifier changes the next vector instruction.
type modifier struct {
	mask  Mask
	zero  bool
	bcast bool
}

// New returns an empty assembler.
func New() *Assembler { return &Assembler{slots: map[string]int{}} }

// WithoutEVEX makes every instruction that needs AVX-512 a mistake.
func (a *Assembler) WithoutEVEX() { a.noEVEX = true }

// Len returns the bytes of code so far.
func (a *Assembler) Len() int { return len(a.buf) }

func (a *Assembler) fail(format string, args ...any) {
	if a.err == nil {
		a.err = fmt.Errorf("amd64: "+format, args...)
	}
}

func (a *Assembler) emit(b ...byte) { a.buf = append(a.buf, b...) }

func (a *Assembler) emit32(v int32) { a.buf = binary.LittleEndian.AppendUint32(a.buf, uint32(v)) }

// Label returns a new label, to be bound once.
func (a *Assembler) Label() Label {
	a.labels = append(a.labels, -1)
	return Label(len(a.labels) - 1)
}

// Bind puts the label here.
func (a *Assembler) Bind(l Label) {
	if a.labels[l] >= 0 {
		a.fail("label %d is bound twice", l)
	}
	a.labels[l] = len(a.buf)
}

// Here returns a label that is bound here.
func (a *Assembler) Here() Label {
	l := a.Label()
	a.Bind(l)
	return l
}

// nops are the recommended instructions without effect of 1 to 8 bytes (Intel
// SDM, NOP).
var nops = [...][]byte{
	{0x90}, {0x66, 0x90}, {0x0F, 0x1F, 0x00}, {0x0F, 0x1F, 0x40, 0x00}, {0x0F, 0x1F, 0x44, 0x00, 0x00},
	{0x66, 0x0F, 0x1F, 0x44, 0x00, 0x00}, {0x0F, 0x1F, 0x80, 0, 0, 0, 0}, {0x0F, 0x1F, 0x84, 0, 0, 0, 0, 0},
}

// Align fills with instructions without effect up to a multiple of n bytes.
func (a *Assembler) Align(n int) {
	for left := (n - len(a.buf)%n) % n; left > 0; {
		k := min(left, len(nops))
		a.emit(nops[k-1]...)
		left -= k
	}
}

// Pool returns an operand for constant data behind the code; equal data share
// a place. The length is a power of two up to 64; the place is aligned to it
// when the code is at an address that is a multiple of 64.
func (a *Assembler) Pool(data []byte) Mem {
	at, ok := a.slots[string(data)]
	if !ok {
		n := len(data)
		if n == 0 || n > 64 || n&(n-1) != 0 {
			a.fail("a constant of %d bytes", n)
			n = 1
		}
		for len(a.pool)%n != 0 {
			a.pool = append(a.pool, 0)
		}
		at = len(a.pool)
		a.slots[string(data)] = at
		a.pool = append(a.pool, data...)
	}
	return Mem{Base: NoReg, Index: NoReg, Scale: 1, pool: at + 1}
}

// Finish resolves jumps and constants and returns the code followed by its
// constants, or the first mistake. The code may be placed at any multiple of
// 64.
func (a *Assembler) Finish() ([]byte, error) {
	for _, j := range a.jumps {
		to := a.labels[j.label]
		if to < 0 {
			a.fail("label %d is never bound", j.label)
			break
		}
		binary.LittleEndian.PutUint32(a.buf[j.at:], uint32(int32(to-(j.at+4))))
	}
	if a.mod != (modifier{}) {
		a.fail("a mask or broadcast without an instruction")
	}
	if a.err != nil {
		return nil, a.err
	}
	code := a.buf
	for len(code)%64 != 0 {
		code = append(code, 0xCC) // int3
	}
	for _, r := range a.refs {
		binary.LittleEndian.PutUint32(code[r.at:], uint32(int32(len(code)+r.slot-r.end)))
	}
	return append(code, a.pool...), nil
}
