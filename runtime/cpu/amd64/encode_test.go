package amd64

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The oracle is the Go assembler's own test data: lines of assembly with the
// bytes that other assemblers make of them, such as
//
//	VFMADD231PS (BX), X9, X2 // c4e231b813
//
// with Go's operand order: sources first, in reverse, the destination last.

type line struct {
	where    string
	name     string
	suffix   string
	operands []string
	want     []string // hex, alternatives
}

func oracle(t *testing.T) []line {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Skipf("no Go command to ask where the Go assembler's test data are: %v", err)
	}
	dir := filepath.Join(strings.TrimSpace(string(root)), "src/cmd/asm/internal/asm/testdata")
	files, _ := filepath.Glob(filepath.Join(dir, "avx512enc", "*.s"))
	files = append(files, filepath.Join(dir, "amd64enc.s"))
	var lines []line
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			t.Skipf("no test data of the Go assembler: %v", err)
		}
		defer f.Close()
		sc := bufio.NewScanner(f)
		for n := 1; sc.Scan(); n++ {
			code, comment, ok := strings.Cut(strings.TrimSpace(sc.Text()), "//")
			name, ops, hasOps := strings.Cut(strings.TrimSpace(code), " ")
			if !ok || !hasOps || !strings.HasPrefix(name, "V") {
				continue
			}
			l := line{where: fmt.Sprintf("%s:%d", filepath.Base(path), n)}
			l.name, l.suffix, _ = strings.Cut(name, ".")
			for _, o := range strings.Split(ops, ",") {
				l.operands = append(l.operands, strings.TrimSpace(o))
			}
			for _, h := range strings.Split(comment, " or ") {
				l.want = append(l.want, strings.TrimSpace(h))
			}
			lines = append(lines, l)
		}
		require.NoError(t, sc.Err())
	}
	return lines
}

var goRegs = map[string]Reg{"AX": RAX, "CX": RCX, "DX": RDX, "BX": RBX, "SP": RSP, "BP": RBP, "SI": RSI, "DI": RDI}

func parseReg(s string) (Reg, bool) {
	if r, ok := goRegs[s]; ok {
		return r, true
	}
	if n, err := strconv.Atoi(strings.TrimPrefix(s, "R")); err == nil && s[0] == 'R' {
		return Reg(n), true
	}
	return NoReg, false
}

func parseVec(s string) (Vec, Width, bool) {
	if s == "" {
		return 0, 0, false
	}
	w := strings.IndexByte("XYZ", s[0])
	n, err := strconv.Atoi(s[1:])
	return Vec(n), Width(w), w >= 0 && err == nil
}

// parseMem reads disp(base)(index*scale).
func parseMem(s string) (Mem, bool) {
	disp, rest, ok := strings.Cut(s, "(")
	if !ok {
		return Mem{}, false
	}
	m := Mem{Index: NoReg, Scale: 1}
	if disp != "" {
		d, err := strconv.ParseInt(disp, 0, 32)
		if err != nil {
			return m, false
		}
		m.Disp = int32(d)
	}
	base, index, _ := strings.Cut(strings.TrimSuffix(rest, ")"), ")(")
	if m.Base, ok = parseReg(base); !ok {
		return m, false
	}
	if index == "" {
		return m, true
	}
	name, scale, _ := strings.Cut(index, "*")
	n, err := strconv.Atoi(scale)
	if err != nil {
		return m, false
	}
	m.Scale = uint8(n)
	if v, _, ok := parseVec(name); ok {
		m.Vector, m.VecIndex = true, v
		return m, true
	}
	m.Index, ok = parseReg(name)
	return m, ok
}

// assemble returns the bytes of l by the given row, or false where the row is
// not meant.
func assemble(op Op, l line) (string, bool) {
	r := rows[op]
	a := New()
	var mask Mask
	var regs []Vec
	var kdst Mask
	var rm Operand
	imm := uint8(0)
	width := Width(0)
	hasImm := false
	masks := 0
	var shape strings.Builder // i immediate, v vector, m memory, k mask
	for _, o := range l.operands {
		switch {
		case strings.HasPrefix(o, "$"):
			v, err := strconv.ParseInt(o[1:], 0, 16)
			if err != nil {
				return "", false
			}
			imm, hasImm = uint8(v), true
			shape.WriteByte('i')
		case o[0] == 'K':
			n, err := strconv.Atoi(o[1:])
			if err != nil {
				return "", false
			}
			mask, kdst = kdst, Mask(n)
			masks++
			shape.WriteByte('k')
		default:
			if v, w, ok := parseVec(o); ok {
				regs = append(regs, v)
				width = max(width, w)
				shape.WriteByte('v')
			} else if m, ok := parseMem(o); ok {
				rm = m
				shape.WriteByte('m')
			} else {
				return "", false
			}
		}
	}
	s := strings.ReplaceAll(shape.String(), "k", "")
	if r.form != formKVMI && masks == 1 {
		mask = kdst
	}
	evexLine := masks > 0
	if evexLine != (r.flags&hasEVEX != 0) && !(evexLine == false && r.flags&hasVEX != 0) {
		return "", false
	}
	if evexLine {
		switch l.suffix {
		case "":
			a.With(mask)
		case "Z":
			a.WithZero(mask)
		default:
			return "", false
		}
	} else if l.suffix != "" || r.flags&hasVEX == 0 {
		return "", false
	}
	// reg i of the operand list as the operand that may be memory
	vecOr := func(i int) Operand {
		if rm != nil {
			return rm
		}
		return regs[i]
	}
	n := len(regs)
	switch r.form {
	case formRVM:
		if s != "vvv" && s != "mvv" {
			return "", false
		}
		a.Op3(op, width, regs[n-1], regs[n-2], vecOr(0))
	case formRVMI:
		if s != "ivvv" && s != "imvv" {
			return "", false
		}
		a.Op3Imm(op, width, regs[n-1], regs[n-2], vecOr(0), imm)
	case formRM:
		if s != "vv" && s != "mv" || s == "vv" && r.tuple == vector && evexLine {
			return "", false // the oracle moves registers by the store's opcode
		}
		if _, w, _ := parseVec(l.operands[len(l.operands)-1]); rm != nil || r.tuple != full && r.tuple != vector {
			width = w
		}
		a.Op2(op, width, regs[n-1], vecOr(0))
	case formRMI:
		if s != "ivv" && s != "imv" {
			return "", false
		}
		a.Op2Imm(op, width, regs[n-1], vecOr(0), imm)
	case formMR:
		if s != "vm" {
			return "", false
		}
		a.Store(op, width, rm.(Mem), regs[0])
	case formMRI:
		if s != "ivm" && s != "ivv" {
			return "", false
		}
		_, width, _ = parseVec(l.operands[1])
		a.StoreImm(op, width, vecOr(1), regs[0], imm)
	case formMVR:
		if s != "vvm" {
			return "", false
		}
		a.StoreMasked(op, width, rm.(Mem), regs[1], regs[0])
	case formRVMR:
		if s != "vvvv" && s != "vmvv" {
			return "", false
		}
		a.Blend(op, width, regs[n-1], regs[n-2], vecOr(1), regs[0])
	case formVMI:
		if s != "ivv" {
			return "", false
		}
		a.Shift(op, width, regs[1], regs[0], imm)
	case formKVMI:
		if masks == 0 || s != "ivv" && s != "imv" || !hasImm {
			return "", false
		}
		a.Compare(op, width, kdst, regs[n-1], vecOr(0), imm)
	case formRMV:
		if s != "vmv" {
			return "", false
		}
		a.Gather(op, width, regs[1], rm.(Mem), regs[0])
	}
	if a.err != nil {
		return a.err.Error(), true
	}
	return hex.EncodeToString(a.buf), true
}

func TestVectorEncodings(t *testing.T) {
	byName := map[string][]Op{}
	for op := range opEnd {
		byName[rows[op].name] = append(byName[rows[op].name], op)
	}
	vex, evex := map[Op]int{}, map[Op]int{}
	for _, l := range oracle(t) {
		for _, op := range byName[l.name] {
			got, ok := assemble(op, l)
			if !ok {
				continue
			}
			require.Contains(t, l.want, got, "%s: %s.%s %v", l.where, l.name, l.suffix, l.operands)
			if strings.HasPrefix(l.want[0], "62") {
				evex[op]++
			} else {
				vex[op]++
			}
		}
	}
	for op := range opEnd {
		if rows[op].flags&hasVEX != 0 && !withoutOracle[op] {
			require.NotZero(t, vex[op], "no line checks the VEX form of %s", op)
		}
		if rows[op].flags&hasEVEX != 0 && !withoutOracle[op] {
			require.NotZero(t, evex[op], "no line checks the EVEX form of %s", op)
		}
	}
}

// withoutOracle are the instructions that the Go assembler's data lack; they
// are in TestFixedEncodings.
var withoutOracle = map[Op]bool{VDPBF16PS: true, VGATHERDPS: true, VPGATHERDD: true, VPMOVM2D: true}
