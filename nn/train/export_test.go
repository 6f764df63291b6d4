package train

import (
	"encoding/json"
	"time"

	"dumbtorch/runtime/tensor"
)

// SetClock makes the times of events.
func (b *TensorBoard) SetClock(now func() time.Time) { b.now = now }

// Left is what the line of an epoch says of the time left in a run of some epochs
// that began with the first of them a while ago.
func Left(first, epoch, epochs int, ago time.Duration) string {
	return (&lines{epochs: epochs, first: first, start: time.Now().Add(-ago)}).left(epoch)
}

// Seal gives the text of a checkpoint the checksum that belongs to it, so that
// what it says is looked at.
func Seal(text string, arrays []tensor.Named, meta map[string]string) string {
	var p saved
	if json.Unmarshal([]byte(text), &p) != nil || p.Version != savedVersion {
		return text
	}
	sealed, err := p.encode(arrays, meta)
	if err != nil {
		return text
	}
	return sealed
}
