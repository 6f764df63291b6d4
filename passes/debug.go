package passes

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
)

// DebugVariable is the environment variable whose value programs give to
// [ParseDebug].
const DebugVariable = "DTC"

// A debugFlag is a word of the debug grammar that names no pass.
type debugFlag struct {
	name, doc string
	set       func(c *Config)
}

var debugFlags = []debugFlag{
	{"check", "verify after every pass and prove the memory plan", func(c *Config) { c.Check = true }},
	{"time", "print the time of every pass", func(c *Config) { c.Time = true }},
	{"nan", "look for the first launch that makes a NaN", func(c *Config) { c.FindNaN = true }},
	{"dump", "print the program after every pass", func(c *Config) { c.DumpAfter = nil }},
}

// ParseDebug changes c as the comma-separated settings ask; [DebugHelp] tells
// the grammar. What is printed goes to c.Log, standard error by default. After
// an error c is as it was.
func ParseDebug(settings string, c *Config) error {
	n := *c
	n.Off, n.DumpAfter = maps.Clone(c.Off), map[string]bool{}
	maps.Copy(n.DumpAfter, c.DumpAfter)
	all, some := c.Dump != nil && c.DumpAfter == nil, false
	for _, word := range strings.Split(settings, ",") {
		word = strings.TrimSpace(word)
		name, verb, hasVerb := strings.Cut(word, "/")
		key, number, isSeed := strings.Cut(word, "=")
		flag := slices.IndexFunc(debugFlags, func(f debugFlag) bool { return f.name == word })
		var err error
		switch {
		case word == "":
		case flag >= 0:
			debugFlags[flag].set(&n)
			all = all || word == "dump"
		case isSeed && key == "seed":
			n.Check = true
			if n.Seed, err = strconv.ParseUint(number, 10, 64); err != nil {
				err = fmt.Errorf("%q wants a number from 0 to 18446744073709551615", word)
			}
		case hasVerb && verb == "dump" && slices.Contains(debugNames(canDump), name):
			n.DumpAfter[name], some = true, true
		case hasVerb && verb == "off" && slices.Contains(debugNames(canBeOff), name):
			if n.Off == nil {
				n.Off = map[string]bool{}
			}
			n.Off[name] = true
		case hasVerb && verb == "dump":
			err = fmt.Errorf("%q names no pass: there are %s", word, strings.Join(debugNames(canDump), ", "))
		case hasVerb && verb == "off":
			err = fmt.Errorf("%q names nothing that can be off: there are %s", word, strings.Join(debugNames(canBeOff), ", "))
		default:
			err = fmt.Errorf("unknown setting %q: there are %s", word, debugSummary())
		}
		if err != nil {
			return fmt.Errorf("debug settings: %w", err)
		}
	}
	if all {
		n.DumpAfter = nil
	}
	if (n.Time || all || some) && n.Log == nil {
		n.Log = os.Stderr
	}
	if (all || some) && n.Dump == nil {
		log := n.Log
		n.Dump = func(pass, text string) { fmt.Fprintf(log, "after %s:\n%s", pass, text) }
	}
	*c = n
	return nil
}

func canDump(i Info) bool  { return i.Stage != "switch" }
func canBeOff(i Info) bool { return i.CanBeOff }

// debugNames returns the names of passes and switches that are wanted, each
// once.
func debugNames(want func(Info) bool) []string {
	var names []string
	for _, i := range Passes() {
		if want(i) && !slices.Contains(names, i.Name) {
			names = append(names, i.Name)
		}
	}
	return names
}

func debugSummary() string {
	var words []string
	for _, f := range debugFlags {
		words = append(words, f.name)
	}
	return strings.Join(words, ", ") + ", seed=N, PASS/dump, PASS/off"
}

// DebugHelp describes the settings that [ParseDebug] knows.
func DebugHelp() string {
	var b strings.Builder
	row := func(word, doc string) { fmt.Fprintf(&b, "  %-18s %s\n", word, doc) }
	b.WriteString("Settings, separated by commas:\n")
	for _, f := range debugFlags {
		row(f.name, f.doc)
	}
	row("seed=N", "check, with independent nodes and launches in an order that N chooses")
	row("PASS/dump", "print the program after a pass")
	row("PASS/off", "leave a pass out, or what a switch stands for")
	b.WriteString("Passes, in order:\n")
	for _, i := range Passes() {
		if i.Stage == "switch" {
			continue
		}
		off := ""
		if i.CanBeOff {
			off = " (off)"
		}
		row(i.Name+off, i.Doc)
	}
	b.WriteString("Switches:\n")
	for _, s := range switches {
		row(s.name+"/off", s.doc)
	}
	return b.String()
}
