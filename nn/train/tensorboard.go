package train

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// TensorBoard is a [Logger] that writes event files, which TensorBoard and other
// dashboards show: of every n-th step the metrics as "loss/step" and the learning
// rate as "rate", of every epoch those of training, "loss/train", and of
// evaluation, "loss/valid", and the speed, "samples per second", all over the
// number of steps. A run that is resumed begins another file in the folder, which
// voids what is recorded of steps that are made again.
type TensorBoard struct {
	dir   string
	every int
	info  RunInfo
	steps int
	file  *os.File
	w     *bufio.Writer
	tags  tags
	timer flushTimer
	now   func() time.Time

	event, summary []byte // being built
}

// tags are the names of curves, made once.
type tags struct{ step, train, eval []string }

// tagsOf returns the tags of metrics, whose names do not change.
func tagsOf(list *[]string, m Metrics, kind string) []string {
	for _, x := range m[min(len(m), len(*list)):] {
		*list = append(*list, x.Name+"/"+kind)
	}
	return *list
}

// NewTensorBoard returns the log of a run in a folder, which is made if it is
// missing: of every n-th step, 0 meaning all, and of epochs. Folders below one
// are what TensorBoard calls runs and draws together. Close it after the run.
func NewTensorBoard(dir string, every int) (*TensorBoard, error) {
	if every < 0 {
		return nil, fmt.Errorf("tensorboard %s: every %d steps: at least 0", dir, every)
	}
	return &TensorBoard{dir: dir, every: max(1, every), now: time.Now}, nil
}

// eventFiles tells the files of one process apart.
var eventFiles atomic.Int64

// Begin makes the file; see [Logger].
func (b *TensorBoard) Begin(info RunInfo) error {
	b.info, b.steps, b.tags = info, info.Steps, tags{}
	if err := b.begin(); err != nil {
		return fmt.Errorf("tensorboard: %w", err)
	}
	return nil
}

func (b *TensorBoard) begin() error {
	if err := b.Close(); err != nil {
		return err
	}
	if err := os.MkdirAll(b.dir, 0o777); err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	// Readers know event files by these words and take them in the order of their
	// names.
	name := fmt.Sprintf("events.out.tfevents.%010d.%s.%d.%d", b.now().Unix(), filepath.Base(host), os.Getpid(), eventFiles.Add(1))
	if b.file, err = os.OpenFile(filepath.Join(b.dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666); err != nil {
		return err
	}
	b.w = bufio.NewWriter(b.file)
	b.open(0)
	b.event = appendField(b.event, fileVersion, "brain.Event:2")
	if err := b.record(); err != nil {
		return err
	}
	if b.info.Steps > 0 {
		b.open(b.info.Steps + 1)
		b.event = appendField(b.event, sessionLog, []byte{sessionStatus<<3 | wireVarint, sessionStart})
		if err := b.record(); err != nil {
			return err
		}
	}
	return b.Flush()
}

// Step records a step; see [Logger].
func (b *TensorBoard) Step(s *Step) error {
	b.steps = s.Number
	if s.Number%b.every != 0 {
		return nil
	}
	b.open(s.Number)
	tags := tagsOf(&b.tags.step, s.Metrics, "step")
	for i, m := range s.Metrics {
		b.scalar(tags[i], m.Value)
	}
	if b.info.Rate {
		b.scalar("rate", s.Rate)
	}
	return b.done()
}

// Epoch records an epoch; see [Logger].
func (b *TensorBoard) Epoch(e *Epoch) error {
	b.open(b.steps)
	tags := tagsOf(&b.tags.train, e.Metrics, "train")
	for i, m := range e.Metrics {
		b.scalar(tags[i], m.Value)
	}
	tags = tagsOf(&b.tags.eval, e.Eval, b.info.EvalName)
	for i, m := range e.Eval {
		b.scalar(tags[i], m.Value)
	}
	b.scalar("samples per second", e.SamplesPerSecond())
	return b.done()
}

// done writes the event and, from time to time, all out.
func (b *TensorBoard) done() error {
	if b.w == nil {
		return fmt.Errorf("tensorboard %s: it is not open", b.dir)
	}
	if err := b.record(); err != nil {
		return fmt.Errorf("tensorboard: %w", err)
	}
	if b.timer.due() {
		return b.Flush()
	}
	return nil
}

// Flush writes out what is held back; see [Logger].
func (b *TensorBoard) Flush() error {
	if b.w == nil {
		return nil
	}
	if err := b.w.Flush(); err != nil {
		return fmt.Errorf("tensorboard: %w", err)
	}
	return nil
}

// Close flushes and closes the file. Closing twice is fine.
func (b *TensorBoard) Close() error {
	if b.file == nil {
		return nil
	}
	err := errors.Join(b.Flush(), b.file.Close())
	b.file, b.w = nil, nil
	return err
}

// The fields of tensorflow.Event, tensorflow.Summary, its Value, and SessionLog
// (tensorboard/compat/proto/event.proto and summary.proto), and the wire types of
// protocol buffers.
const (
	wallTime      = 1
	stepNumber    = 2
	fileVersion   = 3
	summary       = 5
	sessionLog    = 7
	summaryValue  = 1
	valueTag      = 1
	valueSimple   = 2
	sessionStatus = 1
	sessionStart  = 1

	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// frame is the room before an event for the head of its record.
const frame = 12

// open begins an event.
func (b *TensorBoard) open(step int) {
	t := b.now()
	seconds := float64(t.Unix()) + float64(t.Nanosecond())/1e9
	b.event = append(b.event[:0], make([]byte, frame)...)
	b.event = append(b.event, wallTime<<3|wireFixed64)
	b.event = binary.LittleEndian.AppendUint64(b.event, math.Float64bits(seconds))
	if step != 0 {
		b.event = append(b.event, stepNumber<<3|wireVarint)
		b.event = binary.AppendUvarint(b.event, uint64(step))
	}
	b.summary = b.summary[:0]
}

// scalar adds a point of a curve to the event.
func (b *TensorBoard) scalar(tag string, v float64) {
	n := 1 + uvarintLen(len(tag)) + len(tag) + 5
	b.summary = append(b.summary, summaryValue<<3|wireBytes)
	b.summary = binary.AppendUvarint(b.summary, uint64(n))
	b.summary = appendField(b.summary, valueTag, tag)
	b.summary = append(b.summary, valueSimple<<3|wireFixed32)
	b.summary = binary.LittleEndian.AppendUint32(b.summary, math.Float32bits(float32(v)))
}

// appendField adds a field of bytes.
func appendField[T string | []byte](b []byte, field int, v T) []byte {
	b = append(b, byte(field<<3|wireBytes))
	b = binary.AppendUvarint(b, uint64(len(v)))
	return append(b, v...)
}

func uvarintLen(n int) int {
	var b [binary.MaxVarintLen64]byte
	return binary.PutUvarint(b[:], uint64(n))
}

// record writes the event as a TFRecord: its length, the checksum of that, the
// event, and its checksum.
func (b *TensorBoard) record() error {
	if len(b.summary) > 0 {
		b.event = appendField(b.event, summary, b.summary)
	}
	binary.LittleEndian.PutUint64(b.event, uint64(len(b.event)-frame))
	binary.LittleEndian.PutUint32(b.event[8:], maskedCRC(b.event[:8]))
	b.event = binary.LittleEndian.AppendUint32(b.event, maskedCRC(b.event[frame:]))
	_, err := b.w.Write(b.event)
	return err
}

// maskedCRC is CRC-32C, rotated and shifted so that the checksum of data which
// hold their own checksum is no weaker (tensorflow/core/lib/hash/crc32c.h).
func maskedCRC(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}
