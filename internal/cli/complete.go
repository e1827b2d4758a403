package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/cli/target"
	"github.com/dialscope/dialscope/internal/payload"
)

// completeOptions gives the shells the values of those options that have a
// choice of them.
func completeOptions(cmd *cobra.Command) {
	words := func(name string, choices ...string) {
		complete(cmd, name, func(string) []string { return choices })
	}
	words("network", networks...)
	words("color", "auto", "always", "never")
	words("probes", "none", "few", "all")
	words("kernel", kernelTimes...)
	words("packets", "none", "auto")
	complete(cmd, "payload", func(string) []string { return append(payload.Names(), "hex:", "text:", "zeros:", "file:", "list") })
	complete(cmd, "explain", func(string) []string { return explainable() })
	for _, name := range []string{
		"timeout", "attempt-timeout", "fallback-delay", "settle", "user-timeout", "syn-retries", "source", "local-ports",
		"interface", "mark", "tos", "ttl", "count", "interval", "for", "parallel", "resolver", "max-packets",
	} {
		words(name)
	}
}

func complete(cmd *cobra.Command, name string, choices func(string) []string) {
	err := cmd.RegisterFlagCompletionFunc(name, func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		var fit []string
		for _, choice := range choices(typed) {
			if strings.HasPrefix(choice, typed) {
				fit = append(fit, choice)
			}
		}
		return fit, cobra.ShellCompDirectiveNoFileComp
	})
	if err != nil {
		panic(err) // the option was not declared before: a fault of this program
	}
}

// explainable lists what --explain takes, with a word on each for the shells
// that show it.
func explainable() []string {
	all := []string{"list\tevery cause and errno"}
	for _, e := range cause.Catalogue() {
		all = append(all, string(e.ID)+"\t"+e.Title)
	}
	for _, e := range cause.Errnos() {
		all = append(all, string(e.Name)+"\t"+e.Meaning)
	}
	return all
}

// completeTarget offers services once a host and a colon are there.
func completeTarget(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	const directive = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	cut := strings.LastIndexByte(typed, ':')
	if cut < 0 || strings.Contains(typed[:cut], ":") && !strings.HasSuffix(typed[:cut], "]") {
		return nil, directive
	}
	var fit []string
	for _, name := range target.Services() {
		if strings.HasPrefix(name, typed[cut+1:]) {
			fit = append(fit, typed[:cut+1]+name)
		}
	}
	return fit, cobra.ShellCompDirectiveNoFileComp
}
