// Command dtc looks into the compiler: it prints, draws, runs, differentiates,
// checks, explains and times programs.
//
// A program is a file in the text form of package ir, "-" for standard input,
// or the name of an example such as mnist or mnist:train; see package
// examples/models. Results go to standard output, everything else to standard
// error. The exit code is 0 if all went well, 1 if something failed, and 2 if
// the command line is wrong.
//
// A tour:
//
//	dtc dump mnist                        the graph as the passes leave it
//	dtc dump mnist --after cse            ... after one pass; --before, --all
//	dtc dump mnist --format kernel        the kernels, in the text form of ir/kernel
//	dtc dump mnist --memory               the memory plan: figures, and who lives when
//	dtc draw mnist --svg mnist.svg        a picture, nodes grouped by kernel
//	dtc explain mnist:train               what became one kernel, and what it costs
//	dtc run f.dt --feed x=x.npy           runs a program on arrays in files
//	dtc run f.dt --feed x=x.npy --find-nan
//	dtc grad f.dt --of loss --wrt w,b     a program that also computes gradients
//	dtc check f.dt                        every device and pass against the interpreter
//	dtc bench mnist:train                 time, bytes and operations per kernel
//	dtc ops, dtc passes                   what there is
//
// The flag -d and the environment variable DTC change how programs are
// compiled: DTC=check,time,cse/off. "dtc passes" prints the settings.
package main
