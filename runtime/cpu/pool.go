package cpu

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// A pool is the workers of a device. A run that gets the pool has all of them,
// one that does not computes alone. Workers start with a run, spin for its next
// phase while it lasts, since waking a goroutine takes longer than most phases,
// and end soon after.
type pool struct {
	mu     sync.Mutex // held by the run that has the workers
	slots  []atomic.Bool
	start  []func() // worker by number, made once: a run does not allocate
	job    atomic.Pointer[job]
	seq    atomic.Int64 // counts jobs
	active atomic.Bool
}

// linger is how long workers wait for another run.
const linger = 100 * time.Microsecond

// A job is one phase of one launch of a run.
type job struct {
	l      *lease
	phase  *phase
	launch int
	total  int
	left   atomic.Int64 // tasks that nobody has claimed; below 0 is none
	done   atomic.Int64
	mu     sync.Mutex
	err    error
}

func newPool(threads int) *pool {
	p := &pool{slots: make([]atomic.Bool, threads-1)}
	for i := range p.slots {
		p.start = append(p.start, func() { p.worker(i) })
	}
	return p
}

// begin takes the workers for a run; end gives them back.
func (p *pool) begin() bool {
	if len(p.slots) == 0 || !p.mu.TryLock() {
		return false
	}
	p.active.Store(true)
	return true
}

func (p *pool) end() {
	p.active.Store(false)
	p.mu.Unlock()
}

// run has the tasks of j done by all workers.
func (p *pool) run(j *job) {
	p.job.Store(j)
	p.seq.Add(1)
	for i := range p.slots {
		if !p.slots[i].Load() && p.slots[i].CompareAndSwap(false, true) {
			go p.start[i]()
		}
	}
	j.finish()
}

// finish works until all tasks are done; nobody waits for a worker without one.
func (j *job) finish() {
	for j.left.Load() > 0 {
		j.work(0)
	}
	for spins := 0; j.done.Load() < int64(j.total); spins++ {
		if spins%256 == 255 {
			runtime.Gosched()
		}
	}
}

func (p *pool) worker(i int) {
	defer p.slots[i].Store(false)
	seen := int64(-1)
	idle := time.Now()
	for spins := 0; ; spins++ {
		if seq := p.seq.Load(); seq != seen {
			seen = seq
			p.job.Load().work(i + 1)
			spins = 0
			idle = time.Now()
			continue
		}
		if spins%256 != 255 {
			continue
		}
		runtime.Gosched()
		if !p.active.Load() && time.Since(idle) > linger {
			return
		}
	}
}

// work runs tasks as worker w until none is left. A worker that comes late may
// find the job between two phases: it may look at nothing but the counter until
// it has claimed a task, for then the phase cannot end.
func (j *job) work(w int) {
	if j.left.Load() <= 0 {
		return
	}
	defer func() {
		if r := recover(); r != nil {
			j.mu.Lock()
			j.err = fmt.Errorf("internal error in kernel %s, phase %s: %v\n%s", j.l.exe.prog.Launches[j.launch].Kernel.Name, j.phase.name, r, debug.Stack())
			j.mu.Unlock()
			j.done.Add(1)
		}
	}()
	for {
		i := int(j.left.Add(-1))
		if i < 0 {
			return
		}
		j.l.task(j, w, j.total-1-i)
		j.done.Add(1)
	}
}
