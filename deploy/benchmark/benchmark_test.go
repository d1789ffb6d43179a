package main

import (
	"bytes"
	"context"
	"flag"
	"io"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var testTable = table{name: "mail", figures: []figure{
	{name: "read <all>", ours: measure{"Parse", "ns/op"}, floor: measure{"GoMessage", "ns/op"}, speed: true, goal: 0.4},
	{name: "part", ours: measure{"Mail/4", "p50-ms"}, floor: measure{"Mail/4", "bare-p50-ms"}, goal: 1.5},
	{name: "peak", ours: measure{"Peak", "peak-MB"}, goal: 32},
}}

func TestResult(t *testing.T) {
	var rounds []measures
	for _, out := range []string{
		"goos: linux\nBenchmarkParse-2  \t 1000\t 500000 ns/op\t 70.05 MB/s\t 1022 allocs/op\nBenchmarkGoMessage-16 10 200000 ns/op\nBenchmarkMail/4-2 1 9 ns/op 3 p50-ms 1.5 bare-p50-ms\nBenchmarkPeak 2 1e+08 ns/op 0.1525 peak-MB\nPASS\n",
		"BenchmarkParse-2 1000 400000 ns/op\nBenchmarkGoMessage-2 10 200000 ns/op\nBenchmarkMail/4-2 1 9 ns/op 4 p50-ms 2 bare-p50-ms\n    x_test.go:1: a log\nBenchmarkPeak 2 1 ns/op 0.2 peak-MB\n",
		"BenchmarkParse-2 1000 900000 ns/op\nBenchmarkGoMessage-2 10 270000 ns/op\nBenchmarkMail/4-2 1 9 ns/op 3 p50-ms 2 bare-p50-ms\nBenchmarkPeak 2 1 ns/op 40 peak-MB\n",
	} {
		m := measures{}
		if err := m.read(strings.NewReader(out)); err != nil {
			t.Fatal(err)
		}
		rounds = append(rounds, m)
	}
	r, err := sumUp(testTable, rounds)
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{"testdata/table.txt": r.text(), "testdata/table.svg": r.svg()} {
		if *update {
			if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want, []byte(got)) {
			t.Errorf("%s is now\n%s", name, got)
		}
	}
	delete(rounds[1], measure{"Peak", "peak-MB"})
	if _, err := sumUp(testTable, rounds); err == nil || !strings.Contains(err.Error(), "the benchmark Peak printed no peak-MB") {
		t.Errorf("a missing measure: %v", err)
	}
}

func TestDamagedOutput(t *testing.T) {
	if err := (measures{}).read(strings.NewReader("BenchmarkA-2 1 x ns/op\n")); err == nil {
		t.Error("a damaged number was read")
	}
}

func TestUsage(t *testing.T) {
	for args, want := range map[string]string{"": "tables:", "nothing": `no table "nothing"`, "message --rounds 2": "at least 3", "message --x": "usage:", "message more": "usage:"} {
		err := run(context.Background(), strings.Fields(args), io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", args, err)
		}
	}
}
