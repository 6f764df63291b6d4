package tensor

import (
	"math"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestAvailableMemory(t *testing.T) {
	const meminfo = "MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    600 kB\nSwapFree:        200 kB\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"nothing is told":  {nil, math.MaxInt64},
		"of the machine":   {map[string]string{"proc/meminfo": meminfo}, 800 << 10},
		"an old kernel":    {map[string]string{"proc/meminfo": "MemTotal: 1000 kB\n"}, math.MaxInt64},
		"garbage is not 0": {map[string]string{"proc/meminfo": "MemAvailable: lots\n", "proc/self/cgroup": "x\n0::/\n", "sys/fs/cgroup/memory.max": "?\n"}, math.MaxInt64},
		"a group without a limit": {map[string]string{
			"proc/meminfo":             meminfo,
			"proc/self/cgroup":         "0::/user\n",
			"sys/fs/cgroup/memory.max": "max\n", "sys/fs/cgroup/user/memory.max": "max\n",
		}, 800 << 10},
		"a group, its files not counted": {map[string]string{
			"proc/meminfo":                          meminfo,
			"proc/self/cgroup":                      "0::/user/job\n",
			"sys/fs/cgroup/user/job/memory.max":     "500000\n",
			"sys/fs/cgroup/user/job/memory.current": "300000\n",
			"sys/fs/cgroup/user/job/memory.stat":    "anon 1\ninactive_file 100000\n",
		}, 300000},
		"a group above it": {map[string]string{
			"proc/self/cgroup":                      "0::/user/job\n",
			"sys/fs/cgroup/user/job/memory.max":     "500000\n",
			"sys/fs/cgroup/user/memory.max":         "400000\n",
			"sys/fs/cgroup/user/memory.current":     "350000\n",
			"sys/fs/cgroup/user/job/memory.current": "0\n",
		}, 50000},
		"a container's group is its root": {map[string]string{
			"proc/self/cgroup":             "0::/../../far/away\n",
			"sys/fs/cgroup/memory.max":     "400000\n",
			"sys/fs/cgroup/memory.current": "500000\n",
		}, 0},
		"version 1": {map[string]string{
			"proc/self/cgroup":                           "5:cpu,cpuacct:/x\n4:memory:/docker/1\n0::/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "70000\n",
			"sys/fs/cgroup/memory/memory.usage_in_bytes": "30000\n",
			"sys/fs/cgroup/memory/memory.stat":           "total_inactive_file 10000\ninactive_file 1\n",
		}, 50000},
	} {
		t.Run(name, func(t *testing.T) {
			sys := fstest.MapFS{}
			for f, text := range c.files {
				sys[f] = &fstest.MapFile{Data: []byte(text)}
			}
			require.Equal(t, c.want, availableIn(sys))
		})
	}
}

func TestHasMemory(t *testing.T) {
	require.Positive(t, AvailableMemory())
	require.LessOrEqual(t, AvailableMemory(), MachineMemory())
	_, ok := HasMemory(Large)
	require.True(t, ok, "a machine that runs tests has 64 MiB")
	for _, n := range []int64{MachineMemory() + 1, math.MaxInt64} {
		available, ok := HasMemory(n)
		require.False(t, ok)
		require.Less(t, available, n)
	}
}
