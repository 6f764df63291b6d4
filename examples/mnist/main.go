// Command mnist trains a classifier of handwritten digits, a perceptron or a
// convolutional network, from nothing but this repository: by default on digits that it draws itself, with
// -data or -download on MNIST. See the README beside this file.
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
	epochs, batch   int
	lr              float64
	seed            uint64
	model           string
	device          string
	threads         int
	dir             string
	download        bool
	samples         int
	save, load      string
	checkpoints     string
	resume          bool
	log, board      string
	plot            string
	eval            bool
	stdout, stderr  io.Writer
	explicitSamples bool
}

// run is the command; it returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stdout, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitFine
	case err != nil:
		fmt.Fprintf(stderr, "mnist: %v\nmnist -help lists the flags\n", err)
		return exitMisuse
	}
	err = o.job(ctx)
	switch {
	case err == nil:
		return exitFine
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		fmt.Fprintln(stderr, "mnist: interrupted")
		return exitInterrupted
	}
	fmt.Fprintf(stderr, "mnist: %v\n", err)
	return exitFailed
}

// parse reads the command line and checks what can be checked without working.
func parse(args []string, stdout, stderr io.Writer) (*options, error) {
	o := &options{stdout: stdout, stderr: stderr}
	f := flag.NewFlagSet("mnist", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.IntVar(&o.epochs, "epochs", 5, "passes over the training data")
	f.IntVar(&o.batch, "batch", 128, "samples of a training step")
	f.Float64Var(&o.lr, "lr", 0.1, "learning rate of the first step; it falls linearly to 0; of the cnn it is 0.05 by default")
	f.Uint64Var(&o.seed, "seed", 1, "seed of the first weights and of the order of samples")
	f.StringVar(&o.model, "model", "mlp", "mlp (784-512-256-10), cnn (two convolutions, two linear layers) or linear (784-10)")
	f.StringVar(&o.device, "device", "cpu", "where to run: "+strings.Join(device.Kinds(), ", "))
	f.IntVar(&o.threads, "threads", 0, "threads of the device cpu; 0 means all cores")
	f.StringVar(&o.dir, "data", "", "folder of MNIST's four IDX files, plain or .gz, instead of drawn digits")
	f.BoolVar(&o.download, "download", false, "fetch MNIST into -data, or into the user's cache folder, and train on it")
	f.IntVar(&o.samples, "samples", 20000, "how many digits to draw for training; a tenth as many for the test")
	f.StringVar(&o.save, "save", "", "write the weights to this .safetensors or .npz file after every epoch")
	f.StringVar(&o.load, "load", "", "start from the weights of this .safetensors or .npz file")
	f.StringVar(&o.checkpoints, "checkpoint", "", "keep the run in this folder, so that it can be resumed")
	f.BoolVar(&o.resume, "resume", false, "go on from the newest checkpoint in -checkpoint, if there is one")
	f.StringVar(&o.log, "log", "", "write loss and accuracy of every epoch to this CSV file")
	f.StringVar(&o.board, "tensorboard", "", "write event files for TensorBoard into this folder")
	f.StringVar(&o.plot, "plot", "", "draw the curves of loss and accuracy into this PNG file")
	f.BoolVar(&o.eval, "eval", false, "test the weights of -load, without training")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintf(stdout, "Trains a classifier of handwritten digits and prints its accuracy on others.\n\nExample: mnist -epochs 3 -save weights.safetensors\n\nFlags:\n")
			f.SetOutput(stdout)
			f.PrintDefaults()
		}
		return nil, err
	}
	given := map[string]bool{}
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	o.explicitSamples = given["samples"]
	if o.model == "cnn" && !given["lr"] {
		o.lr = 0.05
	}
	return o, o.check(f.Args())
}

func (o *options) check(rest []string) error {
	kind, _, _ := strings.Cut(o.device, ":")
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case o.epochs < 1:
		return fmt.Errorf("-epochs %d: at least 1", o.epochs)
	case o.batch < 1:
		return fmt.Errorf("-batch %d: at least 1", o.batch)
	case !(o.lr > 0) || math.IsInf(o.lr, 1):
		return fmt.Errorf("-lr %v: a finite number above 0", o.lr)
	case o.model != "mlp" && o.model != "cnn" && o.model != "linear":
		return fmt.Errorf("-model %q: mlp, cnn or linear", o.model)
	case o.threads < 0:
		return fmt.Errorf("-threads %d: at least 0", o.threads)
	case o.threads > 0 && o.device != "cpu":
		return fmt.Errorf("-threads is for -device cpu, not for %s", o.device)
	case !slices.Contains(device.Kinds(), kind):
		return fmt.Errorf("-device %q: there are %s", o.device, strings.Join(device.Kinds(), ", "))
	case o.samples < 10:
		return fmt.Errorf("-samples %d: at least 10", o.samples)
	case o.explicitSamples && (o.dir != "" || o.download):
		return errors.New("-samples is for drawn digits, not for the files of MNIST")
	case o.eval && o.load == "":
		return errors.New("-eval tests the weights of -load FILE, which is missing")
	case o.plot != "" && !strings.EqualFold(filepath.Ext(o.plot), ".png"):
		return fmt.Errorf("-plot %s: the picture is a PNG, the file's name must end with .png", o.plot)
	case o.eval && (o.save != "" || o.plot != "" || o.checkpoints != "" || o.log != "" || o.board != ""):
		return errors.New("-eval does not train: there is nothing to -save, -plot, -checkpoint or log")
	case o.resume && o.checkpoints == "":
		return errors.New("-resume needs the folder of -checkpoint DIR")
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
	probe, err := os.CreateTemp(filepath.Dir(path), ".mnist-*")
	if err != nil {
		var cause *os.PathError
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}
