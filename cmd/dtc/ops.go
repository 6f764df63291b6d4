package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"dumbtorch/ir"
)

func (a *app) opsCommand() *cobra.Command {
	var markdown bool
	cmd := &cobra.Command{
		Use:   "ops",
		Short: "List the operations of the graph",
		Long: `ops lists the operations of the graph as their records describe them: how many
operands they take (n: one or more), the attributes in text form, the gradient
("zero" where it is zero by definition, "-" where there is none), and a sentence.`,
		Example:           "  dtc ops\n  dtc ops --markdown >ops.md",
		Args:              none,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			if markdown {
				a.opsMarkdown()
				return nil
			}
			return a.opsTable()
		},
	}
	cmd.Flags().BoolVar(&markdown, "markdown", false, "print a Markdown table")
	return cmd
}

func (a *app) opsTable() error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tOPERANDS\tATTRIBUTES\tGRADIENT\tMEANING")
	for _, d := range ir.Ops() {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", d.Name, arity(d), attributes(d), gradient(d), d.Doc)
	}
	return w.Flush()
}

func (a *app) opsMarkdown() {
	cell := func(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
	fmt.Fprintln(a.out, "| name | operands | attributes | gradient | meaning |\n|---|---|---|---|---|")
	for _, d := range ir.Ops() {
		fmt.Fprintf(a.out, "| `%s` | %s | %s | %s | %s |\n", d.Name, arity(d), attributes(d), gradient(d), cell(d.Doc))
	}
}

func arity(d *ir.OpDef) string {
	if d.Arity < 0 {
		return "n"
	}
	return fmt.Sprint(d.Arity)
}

func attributes(d *ir.OpDef) string {
	if len(d.Attrs) == 0 {
		return "-"
	}
	return strings.Join(d.Attrs, " ")
}

func gradient(d *ir.OpDef) string {
	switch {
	case d.VJP != nil:
		return "yes"
	case d.Has(ir.NoGrad):
		return "zero"
	}
	return "-"
}
