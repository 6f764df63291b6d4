package train

import "time"

// SetClock makes the times of events.
func (b *TensorBoard) SetClock(now func() time.Time) { b.now = now }

// Left is what the line of an epoch says of the time left in a run of some epochs
// that began with the first of them a while ago.
func Left(first, epoch, epochs int, ago time.Duration) string {
	return (&lines{epochs: epochs, first: first, start: time.Now().Add(-ago)}).left(epoch)
}
