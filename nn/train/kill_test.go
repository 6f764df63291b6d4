package train_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dumbtorch/nn/train"
	"dumbtorch/runtime/cpu"
)

// victimDir names the folder in which the test binary, run anew, trains until it
// is killed.
const victimDir = "DTC_TEST_VICTIM_DIR"

// newVictim returns a run that saves after every step.
func newVictim(t testing.TB, dir string) *job {
	dev := cpu.New()
	t.Cleanup(func() { require.NoError(t, dev.Close()) })
	j := newJobOn(t, dev, dir, 4096)
	j.Epochs = 40
	if dir != "" {
		j.Checkpoints.Every = 1
	}
	return j
}

// TestVictim is the process that TestKilledWhileSaving kills. The number of a step
// is written out just before it is saved.
func TestVictim(t *testing.T) {
	dir := os.Getenv(victimDir)
	if dir == "" {
		t.Skip("is for TestKilledWhileSaving")
	}
	j := newVictim(t, dir)
	j.OnStep = func(s *train.Step) error {
		_, err := fmt.Println("step", s.Number)
		return err
	}
	_, err := train.Run(context.Background(), j.Config)
	require.NoError(t, err)
}

// A process that is killed at any moment, most often in the middle of a save,
// loses at most the steps since the last checkpoint: of a step whose number was
// followed by another the checkpoint is there. After 50 deaths the run ends with
// the bits of one that nobody killed.
func TestKilledWhileSaving(t *testing.T) {
	if testing.Short() {
		t.Skip("starts 50 processes")
	}
	self, err := os.Executable()
	if err != nil {
		t.Skip(err) // systems without processes
	}
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(1, 2))
	saved, halves := 0, 0
	for range 50 {
		cmd := exec.Command(self, "-test.run=^TestVictim$")
		cmd.Env = append(os.Environ(), victimDir+"="+dir)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(out)
		see := 1 + random.IntN(2)
		var pause time.Duration // how long a step and its save take
		for last := time.Now(); see > 0 && lines.Scan(); last = time.Now() {
			var step int
			if _, err := fmt.Sscanf(lines.Text(), "step %d", &step); err == nil {
				saved, pause, see = max(saved, step-1), time.Since(last), see-1
			}
		}
		require.Zero(t, see, "the process ended: %v", lines.Err())
		time.Sleep(time.Duration(random.Int64N(1 + int64(min(pause, 10*time.Millisecond)))))
		require.NoError(t, cmd.Process.Kill())
		for lines.Scan() {
			var step int
			if _, err := fmt.Sscanf(lines.Text(), "step %d", &step); err == nil {
				saved = max(saved, step-1)
			}
		}
		var exit *exec.ExitError
		require.True(t, errors.As(cmd.Wait(), &exit))
		for _, name := range names(t, dir) {
			if name[0] == '.' {
				halves++
			}
		}
		if saved > 0 {
			c, err := train.FindCheckpoint(dir)
			require.NoError(t, err)
			require.GreaterOrEqual(t, c.Report.Steps, saved)
			require.LessOrEqual(t, c.Report.Steps, saved+1)
			saved = c.Report.Steps
		}
	}
	require.NotZero(t, halves, "no death was in the middle of a save")
	straight, j := newVictim(t, ""), newVictim(t, dir)
	j.Checkpoints.Every = 0
	want, got := straight.run(t), j.run(t)
	require.NotZero(t, saved)
	want.Best = got.Best
	same(t, straight, j, want, got)
	t.Logf("killed 50 times, %d in the middle of a save, up to step %d of %d", halves, saved, want.Steps)
}
