package passes_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/passes"
)

func TestParseDebug(t *testing.T) {
	var c passes.Config
	require.NoError(t, passes.ParseDebug("check, time,nan,fuse/dump,lower/dump,cse/off,memplan-reuse/off,seed=7", &c))
	require.True(t, c.Check)
	require.True(t, c.Time)
	require.True(t, c.FindNaN)
	require.Equal(t, map[string]bool{"fuse": true, "lower": true}, c.DumpAfter)
	require.Equal(t, map[string]bool{"cse": true, "memplan-reuse": true}, c.Off)
	require.EqualValues(t, 7, c.Seed)
	require.NotNil(t, c.Dump)
	require.NotNil(t, c.Log)

	c = passes.Config{}
	require.NoError(t, passes.ParseDebug("", &c))
	require.Nil(t, c.Dump)
	require.Nil(t, c.Log)
}

func TestParseDebugErrors(t *testing.T) {
	for settings, want := range map[string]string{
		"chekc":       `debug settings: unknown setting "chekc": there are check, time, nan, dump, seed=N, PASS/dump, PASS/off`,
		"fuse":        `debug settings: unknown setting "fuse": there are check, time, nan, dump, seed=N, PASS/dump, PASS/off`,
		"check,x/off": `debug settings: "x/off" names nothing that can be off: there are canonicalize, constfold, simplify, cse, dce, fuse, horizontal, tile, order, memplan-reuse`,
		"lower/off":   `debug settings: "lower/off" names nothing that can be off: there are canonicalize, constfold, simplify, cse, dce, fuse, horizontal, tile, order, memplan-reuse`,
		"x/dump":      `debug settings: "x/dump" names no pass: there are canonicalize, constfold, simplify, cse, dce, fuse, lower, horizontal, tile, order, memplan`,
		"seed=x":      `debug settings: "seed=x" wants a number from 0 to 18446744073709551615`,
		"fuse/show":   `debug settings: unknown setting "fuse/show": there are check, time, nan, dump, seed=N, PASS/dump, PASS/off`,
	} {
		c := passes.Config{Off: map[string]bool{"cse": true}}
		require.EqualError(t, passes.ParseDebug(settings, &c), want)
		require.Equal(t, passes.Config{Off: map[string]bool{"cse": true}}, c)
	}
}

func TestDebugOutput(t *testing.T) {
	var log bytes.Buffer
	c := passes.Config{Log: &log}
	require.NoError(t, passes.ParseDebug("time,order/dump", &c))
	_, err := passes.Compile(build(t, smallModels[0].model), &c)
	require.NoError(t, err)
	require.Regexp(t, `(?m)^canonicalize +[0-9.]+ ms$`, log.String())
	require.Regexp(t, `(?m)^after order:\nprogram model `, log.String())
	require.NotContains(t, log.String(), "after fuse")
}

func TestDebugHelp(t *testing.T) { golden(t, "debug_help.txt", passes.DebugHelp()) }
