package main

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// arrange sorts arguments so that flags may stand before or after arguments,
// and global flags anywhere: the library stops looking for flags at the first
// argument. What follows "--" is no flag. Whoever asks for help gets it, whatever
// else is there.
func arrange(app *cli.App, args []string) ([]string, error) {
	if args[len(args)-1] == "--generate-bash-completion" {
		return args, nil // the library wants to see what is typed
	}
	global := flagsOf(app.Flags)
	var before, flags, rest []string
	var command *cli.Command
	help := false
	for i := 1; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			rest = append(rest, args[i+1:]...)
			break
		}
		if len(arg) < 2 || arg[0] != '-' {
			if command == nil {
				if command = app.Command(arg); command == nil {
					return nil, usage("there is no command %q; see granary --help", arg)
				}
				continue
			}
			rest = append(rest, arg)
			continue
		}
		name, _, hasValue := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		var own map[string]bool
		if command != nil {
			own = flagsOf(command.Flags)
		}
		help = help || arg == "-h" || arg == "--help"
		takesValue, isOwn := own[name]
		to := &flags
		if !isOwn {
			if takes, isGlobal := global[name]; isGlobal {
				takesValue, to = takes, &before
			} else if command == nil {
				to = &before
			}
		}
		*to = append(*to, arg)
		if takesValue && !hasValue {
			if i++; i == len(args) {
				return nil, usage("flag needs an argument: %s; see granary --help", arg)
			}
			*to = append(*to, args[i])
		}
	}
	out := append([]string{args[0]}, before...)
	switch {
	case help && command != nil:
		out = []string{args[0], command.Name, "--help"}
	case help:
		out = []string{args[0], "--help"}
	case command != nil:
		out = append(append(out, command.Name), flags...)
		if len(rest) > 0 {
			out = append(append(out, "--"), rest...)
		}
	}
	return out, nil
}

// flagsOf maps the names of flags to whether they take a value.
func flagsOf(flags []cli.Flag) map[string]bool {
	takes := map[string]bool{}
	for _, f := range flags {
		_, isBool := f.(*cli.BoolFlag)
		for _, name := range f.Names() {
			takes[name] = !isBool
		}
	}
	return takes
}
