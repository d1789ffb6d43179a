// Command benchmark measures figures beside their floors: the same work with nothing around it, in the
// same run. Absolute times on a busy machine say little; a ratio of two medians that took turns does.
// deploy/bench runs it.
//
// A table (tables.go) names a Go package, its benchmarks, and which of their measures make a figure. The
// package's tests are built once; then its benchmarks run in rounds, one after the other. Each round
// gives one ratio a figure; the result is the medians over the rounds with their quartiles, as a table,
// as TABLE.json and as TABLE.svg.
//
// Start with tables.go; parse.go reads what go test prints, result.go sums up, render.go shows.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const leastRounds = 3

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func usage() string {
	var b strings.Builder
	b.WriteString("usage: deploy/bench TABLE [--rounds N] [--out FOLDER]\n\ntables:\n")
	for _, t := range tables {
		fmt.Fprintf(&b, "  %-9s %s\n", t.name, t.about)
	}
	return b.String()
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return errors.New(usage())
	}
	i := slices.IndexFunc(tables, func(t table) bool { return t.name == args[0] })
	if i < 0 {
		return fmt.Errorf("there is no table %q\n\n%s", args[0], usage())
	}
	t := tables[i]
	flags := flag.NewFlagSet(t.name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	rounds := flags.Int("rounds", 5, "")
	out := flags.String("out", os.Getenv("GROUPMAIL_ARTEFACTS"), "")
	if err := flags.Parse(args[1:]); err != nil || flags.NArg() > 0 {
		return errors.New(usage())
	}
	if *rounds < leastRounds {
		return fmt.Errorf("--rounds %d: a median needs at least %d rounds", *rounds, leastRounds)
	}
	if *out == "" {
		folder, err := os.MkdirTemp("", "groupmail-bench-")
		if err != nil {
			return err
		}
		*out = folder
	}
	if err := os.MkdirAll(*out, 0o755); err != nil {
		return err
	}
	all, err := measureAll(ctx, t, *rounds, stderr)
	if err != nil {
		return err
	}
	r, err := sumUp(t, all)
	if err != nil {
		return err
	}
	fmt.Fprint(stdout, r.text())
	j, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	for ending, content := range map[string][]byte{".json": append(j, '\n'), ".svg": []byte(r.svg())} {
		if err := os.WriteFile(filepath.Join(*out, t.name+ending), content, 0o644); err != nil {
			return err
		}
	}
	fmt.Fprintf(stdout, "\n%s\n", filepath.Join(*out, t.name+".{json,svg}"))
	return nil
}

// measureAll builds the table's tests and runs its benchmarks, a round after the other.
func measureAll(ctx context.Context, t table, rounds int, progress io.Writer) ([]measures, error) {
	work, err := os.MkdirTemp("", "groupmail-bench-work-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	program := filepath.Join(work, "bench.test")
	fmt.Fprintf(progress, "%s: building the tests of %s\n", t.name, t.folder)
	if out, err := exec.CommandContext(ctx, "go", "test", "-c", "-o", program, "./"+t.folder).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("the tests of %s do not build: %w\n%s", t.folder, err, out)
	}
	var all []measures
	for n := range rounds {
		began := time.Now()
		m := measures{}
		for _, b := range t.runs {
			cmd := exec.CommandContext(ctx, program, "-test.run", "^$", "-test.bench", "^Benchmark"+b.bench+"$", "-test.benchtime", b.time, "-test.timeout", "30m")
			cmd.Dir = t.folder
			cmd.Env = append(os.Environ(), "CI=true") // a server that is missing is a failure with its name, not a skip
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Run(); err != nil {
				return nil, fmt.Errorf("the benchmark %s of %s failed: %w; a missing server is installed by deploy/test\n%s", b.bench, t.folder, err, out.Bytes())
			}
			if err := m.read(&out); err != nil {
				return nil, err
			}
		}
		all = append(all, m)
		fmt.Fprintf(progress, "%s: round %d of %d, %.1f s\n", t.name, n+1, rounds, time.Since(began).Seconds())
	}
	return all, nil
}
