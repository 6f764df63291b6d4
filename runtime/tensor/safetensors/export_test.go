package safetensors

import "os"

// OpenUnmapped is [Open] on a system that cannot map files.
func OpenUnmapped(path string) (*File, error) {
	return open(path, func(*os.File, int64) ([]byte, func() error) { return nil, nil })
}
