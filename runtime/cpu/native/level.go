package native

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
)

// Level is a set of vector instructions.
type Level uint8

// The levels: no machine code; AVX2 with FMA; AVX-512 F, BW, DQ and VL.
const (
	Portable Level = iota
	AVX2
	AVX512
)

var levelNames = []string{"portable", "avx2", "avx512"}

// String returns the level's name as in the environment variable DTC_CPU.
func (l Level) String() string { return levelNames[l] }

// VectorBytes returns the width of a vector register, 0 for portable code.
func (l Level) VectorBytes() int {
	if l == Portable {
		return 0
	}
	return 16 << l
}

// EnvVar names the environment variable that lowers the level of this process.
const EnvVar = "DTC_CPU"

// Detect returns the best level that this machine runs, or the lower one that
// the environment variable DTC_CPU asks for, and why it is not a higher one. An
// unknown value of the variable is an error; the level is then the best one.
var Detect = sync.OnceValues(func() (Choice, error) { return choose(os.Getenv(EnvVar)) })

// A Choice is a level and the reason why there is no higher one; "" for the
// highest.
type Choice struct {
	Level  Level
	Reason string
}

func choose(want string) (Choice, error) {
	best := detect()
	if best.Level > Portable {
		if err := probe(); err != nil {
			best = Choice{Portable, err.Error()}
		}
	}
	if want == "" {
		return best, nil
	}
	i := slices.Index(levelNames, want)
	if i < 0 {
		return best, fmt.Errorf("%s=%s: no such level (one of %s)", EnvVar, want, strings.Join(levelNames, ", "))
	}
	if l := Level(i); l > best.Level {
		return best, fmt.Errorf("%s=%s: %s", EnvVar, want, best.Reason)
	} else if l < best.Level {
		return Choice{l, EnvVar + "=" + want}, nil
	}
	return best, nil
}
