package main

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// measures are what the benchmarks of one round printed.
type measures map[measure]float64

// read adds the results in what go test printed:
//
//	BenchmarkMail/4-2   1   2711 ns/op   0.61 ratio
func (m measures) read(r io.Reader) error {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		f := strings.Fields(s.Text())
		if len(f) < 4 || !strings.HasPrefix(f[0], "Benchmark") {
			continue
		}
		if _, err := strconv.Atoi(f[1]); err != nil {
			continue
		}
		name := processors.ReplaceAllString(strings.TrimPrefix(f[0], "Benchmark"), "")
		for i := 2; i+1 < len(f); i += 2 {
			v, err := strconv.ParseFloat(f[i], 64)
			if err != nil {
				return fmt.Errorf("%s: %q is no number", f[0], f[i])
			}
			m[measure{name, f[i+1]}] = v
		}
	}
	return s.Err()
}

var processors = regexp.MustCompile(`-\d+$`)
