package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"dumbtorch/passes"
)

func (a *app) passesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "passes",
		Short: "List the passes of the compiler and the debug settings",
		Long: `passes lists the passes in the order in which they run, and the settings that the
flag -d and the environment variable DTC take.`,
		Example:           "  dtc passes\n  dtc dump mnist -d time,cse/off",
		Args:              none,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			fmt.Fprint(a.out, passes.DebugHelp())
			return nil
		},
	}
}
