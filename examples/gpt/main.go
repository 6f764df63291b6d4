// Command gpt trains a small transformer to write text, character by character:
// by default a part of Newton's "Opticks" that is built in, with -data any file
// of text. It shows what it has learned by writing some. See the README beside
// this file.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"dumbtorch/examples/models"
	_ "dumbtorch/runtime/cpu" // the device "cpu"
	"dumbtorch/runtime/device"
	_ "dumbtorch/runtime/interp" // the device "interp"
	"dumbtorch/runtime/session"
)

// The exit statuses. An interrupted run has that of a shell's Ctrl-C.
const (
	exitFine        = 0
	exitFailed      = 1
	exitMisuse      = 2
	exitInterrupted = 130
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal the run ends in its own time; the second one kills.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// options are what the command line asks for.
type options struct {
	epochs, batch     int
	lr                float64
	seed              uint64
	model             models.GPTConfig
	device            string
	threads           int
	data              string
	save, load        string
	checkpoints       string
	resume            bool
	log, board        string
	plot, compare     string
	sample, generate  int
	prompt            string
	temperature       float64
	top               int
	stdout, stderr    io.Writer
	explicitGenerate  bool
	explicitModelFlag string
}

// run is the command; it returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stdout, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitFine
	case err != nil:
		fmt.Fprintf(stderr, "gpt: %v\ngpt -help lists the flags\n", err)
		return exitMisuse
	}
	err = o.job(ctx)
	switch {
	case err == nil:
		return exitFine
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		fmt.Fprintln(stderr, "gpt: interrupted")
		return exitInterrupted
	}
	fmt.Fprintf(stderr, "gpt: %v\n", err)
	return exitFailed
}

// parse reads the command line and checks what can be checked without working.
func parse(args []string, stdout, stderr io.Writer) (*options, error) {
	o := &options{stdout: stdout, stderr: stderr}
	f := flag.NewFlagSet("gpt", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.IntVar(&o.epochs, "epochs", 5, "passes over the text")
	f.IntVar(&o.batch, "batch", 16, "parts of the text in a training step")
	f.Float64Var(&o.lr, "lr", 1e-3, "highest learning rate; it rises to this in the first steps and falls to a tenth along a cosine")
	f.Uint64Var(&o.seed, "seed", 1, "seed of the first weights, the order of the parts, and what is drawn")
	f.IntVar(&o.model.Context, "context", 64, "characters that the model sees")
	f.IntVar(&o.model.Width, "width", 128, "width of the model")
	f.IntVar(&o.model.Layers, "layers", 4, "blocks of the model")
	f.IntVar(&o.model.Heads, "heads", 4, "heads of attention; they divide the width")
	f.Float64Var(&o.model.Dropout, "dropout", 0, "probability of dropout")
	f.BoolVar(&o.model.Recompute, "recompute", false, "compute blocks again in the backward pass instead of keeping their values: less memory, more time")
	f.StringVar(&o.device, "device", "cpu", "where to run: "+strings.Join(device.Kinds(), ", "))
	f.IntVar(&o.threads, "threads", 0, "threads of the device cpu; 0 means all cores")
	f.StringVar(&o.data, "data", "", "file of text in UTF-8 instead of the one that is built in")
	f.StringVar(&o.save, "save", "", "write the weights to this .safetensors or .npz file after every epoch; with -epochs 0 the first ones")
	f.StringVar(&o.load, "load", "", "start from the weights of this .safetensors or .npz file")
	f.StringVar(&o.checkpoints, "checkpoint", "", "keep the run in this folder, so that it can be resumed")
	f.BoolVar(&o.resume, "resume", false, "go on from the newest checkpoint in -checkpoint, if there is one")
	f.StringVar(&o.log, "log", "", "write the losses of every epoch to this CSV file")
	f.StringVar(&o.board, "tensorboard", "", "write event files for TensorBoard into this folder")
	f.StringVar(&o.plot, "plot", "", "draw the curves of the losses into this PNG file")
	f.StringVar(&o.compare, "compare", "", "CSV file of step, loss and validation loss of another program, to draw beside with -plot")
	f.IntVar(&o.sample, "sample", 200, "characters to write after every epoch")
	f.IntVar(&o.generate, "generate", 0, "write so many characters with the weights of -load or -checkpoint, without training")
	f.StringVar(&o.prompt, "prompt", "\n", "text that is gone on with")
	f.Float64Var(&o.temperature, "temperature", 0.8, "above 1 the text becomes more daring, below less; 0 takes the most likely character")
	f.IntVar(&o.top, "top-k", 0, "draw among so many of the most likely characters; 0 means all")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintf(stdout, "Trains a transformer on a text and writes more of the kind.\n\nExample: gpt -epochs 3 -checkpoint run\n         gpt -checkpoint run -generate 500 -prompt \"The Rays\"\n\nFlags:\n")
			f.SetOutput(stdout)
			f.PrintDefaults()
		}
		return nil, err
	}
	f.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "generate":
			o.explicitGenerate = true
		case "context", "width", "layers", "heads", "data":
			o.explicitModelFlag = f.Name
		}
	})
	return o, o.check(f.Args())
}

func (o *options) check(rest []string) error {
	kind, _, _ := strings.Cut(o.device, ":")
	m := &o.model
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case o.epochs < 0:
		return fmt.Errorf("-epochs %d: at least 0", o.epochs)
	case o.batch < 1:
		return fmt.Errorf("-batch %d: at least 1", o.batch)
	case !(o.lr > 0) || math.IsInf(o.lr, 1):
		return fmt.Errorf("-lr %v: a finite number above 0", o.lr)
	case min(m.Context, m.Width, m.Layers, m.Heads) < 1:
		return fmt.Errorf("-context %d, -width %d, -layers %d, -heads %d: at least 1 each", m.Context, m.Width, m.Layers, m.Heads)
	case m.Width%m.Heads != 0:
		return fmt.Errorf("-heads %d: they must divide -width %d", m.Heads, m.Width)
	case !(m.Dropout >= 0 && m.Dropout < 1):
		return fmt.Errorf("-dropout %v: at least 0 and below 1", m.Dropout)
	case o.threads < 0:
		return fmt.Errorf("-threads %d: at least 0", o.threads)
	case o.threads > 0 && o.device != "cpu":
		return fmt.Errorf("-threads is for -device cpu, not for %s", o.device)
	case !slices.Contains(device.Kinds(), kind):
		return fmt.Errorf("-device %q: there are %s", o.device, strings.Join(device.Kinds(), ", "))
	case o.sample < 0 || o.generate < 0 || o.top < 0:
		return fmt.Errorf("-sample %d, -generate %d, -top-k %d: at least 0 each", o.sample, o.generate, o.top)
	case o.prompt == "":
		return errors.New("-prompt: at least one character")
	case !(o.temperature >= 0) || math.IsInf(o.temperature, 1):
		return fmt.Errorf("-temperature %v: a finite number of at least 0", o.temperature)
	case o.plot != "" && !strings.EqualFold(filepath.Ext(o.plot), ".png"):
		return fmt.Errorf("-plot %s: the picture is a PNG, the file's name must end with .png", o.plot)
	case o.compare != "" && o.plot == "":
		return errors.New("-compare draws into -plot FILE.png, which is missing")
	case o.resume && o.checkpoints == "":
		return errors.New("-resume needs the folder of -checkpoint DIR")
	case o.resume && o.load != "":
		return errors.New("-resume takes the weights of the checkpoint, not those of -load")
	case o.explicitGenerate && (o.load == "") == (o.checkpoints == ""):
		return errors.New("-generate needs the weights of either -load FILE or -checkpoint DIR")
	case o.explicitGenerate && (o.save != "" || o.plot != "" || o.log != "" || o.board != "" || o.resume):
		return errors.New("-generate does not train: there is nothing to -save, -plot, -resume or log")
	case o.explicitGenerate && o.checkpoints != "" && o.explicitModelFlag != "":
		return fmt.Errorf("-generate takes the model as it is in -checkpoint, without -%s", o.explicitModelFlag)
	}
	for _, f := range []struct{ flag, path string }{{"-save", o.save}, {"-load", o.load}} {
		if f.path == "" {
			continue
		}
		if err := session.CheckPath(f.path); err != nil {
			return fmt.Errorf("%s %w", f.flag, err)
		}
	}
	return nil
}

// open opens the device.
func (o *options) open() (device.Device, error) {
	name := o.device
	if o.threads > 0 {
		name = fmt.Sprintf("%s:%d", name, o.threads)
	}
	return device.Open(name)
}

// writable returns an error if a file cannot be written at path: better now than
// after the training.
func writable(path string) error {
	if path == "" {
		return nil
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("cannot write %s: it is a folder", path)
	}
	probe, err := os.CreateTemp(filepath.Dir(path), ".gpt-*")
	if err != nil {
		var cause *os.PathError
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}
