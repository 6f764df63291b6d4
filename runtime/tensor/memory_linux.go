package tensor

import (
	"bufio"
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
)

// system is where the kernel tells about memory; tests have their own.
var system = os.DirFS("/")

// physicalMemory returns the bytes of memory and swap together, or the limit of a control group below that.
func physicalMemory() int64 {
	total := int64(1 << 40)
	var si syscall.Sysinfo_t
	if syscall.Sysinfo(&si) == nil {
		total = (int64(si.Totalram) + int64(si.Totalswap)) * int64(si.Unit)
	}
	for _, g := range controlGroups(system) {
		total = min(total, g.limit)
	}
	return total
}

// availableMemory returns what /proc/meminfo calls available, with free swap, and at most what the control groups leave.
func availableMemory() int64 { return availableIn(system) }

func availableIn(sys fs.FS) int64 {
	const kB = 1 << 10
	info := readTable(sys, "proc/meminfo", ":")
	left := int64(math.MaxInt64)
	if n, ok := info["MemAvailable"]; ok {
		left = (n + info["SwapFree"]) * kB
	}
	for _, g := range controlGroups(sys) {
		left = min(left, max(0, g.limit-g.used))
	}
	return left
}

// controlGroup is a limit of memory, and what counts against it; pages of files that can be dropped do not.
type controlGroup struct{ limit, used int64 }

// controlGroups returns the limits that hold for this process: those of its group and of all above it, version 1 and 2. A
// container may see its own group as the root.
func controlGroups(sys fs.FS) []controlGroup {
	var groups []controlGroup
	member, _ := fs.ReadFile(sys, "proc/self/cgroup")
	for line := range strings.Lines(string(member)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		mount, limit, usage, inactive := "sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"
		switch {
		case parts[0] == "0" && parts[1] == "":
		case strings.Contains(","+parts[1]+",", ",memory,"):
			mount, limit, usage, inactive = "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
		default:
			continue
		}
		for at := path.Clean("/" + parts[2]); ; at = path.Dir(at) {
			dir := path.Join(mount, at)
			if n, ok := readNumber(sys, path.Join(dir, limit)); ok {
				used, _ := readNumber(sys, path.Join(dir, usage))
				groups = append(groups, controlGroup{n, used - readTable(sys, path.Join(dir, "memory.stat"), "")[inactive]})
			}
			if at == "/" {
				break
			}
		}
	}
	return groups
}

// readNumber reads a file that holds a number; "max" is none.
func readNumber(sys fs.FS, name string) (int64, bool) {
	b, err := fs.ReadFile(sys, name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return n, err == nil
}

// readTable reads a file of lines with a name, which ends with a suffix, and a number.
func readTable(sys fs.FS, name, suffix string) map[string]int64 {
	f, err := sys.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	table := map[string]int64{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) >= 2 {
			if n, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
				table[strings.TrimSuffix(fields[0], suffix)] = n
			}
		}
	}
	return table
}
