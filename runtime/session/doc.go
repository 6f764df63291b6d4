// Package session runs graphs on a device: it compiles them, keeps their variables resident, binds named dimensions at the
// first feed, copies feeds in and hands results out.
//
// A [Session] belongs to one device and owns the state of all graphs compiled in it: a variable is its *graph.Variable, so
// that a training and an evaluation graph built from one model share their parameters. [Session.Compile] gives a [Step];
// [Step.Run] executes it and returns [Results]. [Step.RunInto] does the same without allocating.
//
// Everything may be called from any goroutine. Steps that assign variables run one at a time; others run at once with each
// other. A context is honoured up to a step's first write of a variable. If a step fails after that, its variables may be
// half updated: every further use fails with [ErrNeedsReload] until they are set, loaded or initialised anew.
//
// Memory is given back when the caller says so: [Results.Release], [Step.Close], [Session.Close]. The package must not
// import nn.
package session
