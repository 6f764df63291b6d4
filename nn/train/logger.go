package train

// A Logger records what a run does: [CSVLog], [TensorBoard]. What it is given is
// its own only during the call. An error ends the run.
type Logger interface {
	// Begin is called once, before the first step.
	Begin(RunInfo) error
	// Step and Epoch are called after every step and every epoch.
	Step(*Step) error
	Epoch(*Epoch) error
	// Flush hands all records to the system. It is called before a checkpoint is
	// made and at the end of the run, whatever ended it.
	Flush() error
	// Close gives back what Begin took. It is for those who made the logger: a run
	// does not call it.
	Close() error
}

// RunInfo is what a [Logger] is told of a run.
type RunInfo struct {
	// Steps is the number of steps made before, not 0 in a run that is resumed.
	// Records of later steps are void: those steps will be made again.
	Steps int
	// EvalName is that of [Config].
	EvalName string
	// Rate says that steps have a learning rate, that of Config.Rate.
	Rate bool
}
