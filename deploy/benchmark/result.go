package main

import (
	"fmt"
	"slices"
)

// spread is a median with the quartiles around it.
type spread struct{ Low, Median, High float64 }

func spreadOf(v []float64) spread {
	v = slices.Sorted(slices.Values(v))
	at := func(q float64) float64 {
		x := q * float64(len(v)-1)
		i := int(x)
		if i+1 == len(v) {
			return v[i]
		}
		return v[i] + (x-float64(i))*(v[i+1]-v[i])
	}
	return spread{at(.25), at(.5), at(.75)}
}

// result is what is written as JSON.
type result struct {
	Table   string
	Rounds  int
	Figures []row
}

// row is a figure, measured. Ratio is that of ours to the floor, or ours where there is no floor.
type row struct {
	Name    string
	Unit    string
	Ours    spread
	Floor   *spread `json:",omitempty"`
	Ratio   spread
	Goal    float64
	AtLeast bool // or else at most
	Met     bool
}

func sumUp(t table, rounds []measures) (result, error) {
	r := result{Table: t.name, Rounds: len(rounds)}
	for _, f := range t.figures {
		var ours, floor, ratio []float64
		for _, m := range rounds {
			a, ok := m[f.ours]
			if !ok {
				return r, fmt.Errorf("the benchmark %s printed no %s", f.ours.bench, f.ours.unit)
			}
			ours = append(ours, a)
			if f.floor == (measure{}) {
				ratio = append(ratio, a)
				continue
			}
			b, ok := m[f.floor]
			if !ok || a == 0 || b == 0 {
				return r, fmt.Errorf("the benchmark %s printed no %s", f.floor.bench, f.floor.unit)
			}
			floor = append(floor, b)
			if f.speed && f.ours.unit == "ns/op" {
				a, b = b, a
			}
			ratio = append(ratio, a/b)
		}
		one := row{Name: f.name, Unit: f.ours.unit, Ours: spreadOf(ours), Ratio: spreadOf(ratio), Goal: f.goal, AtLeast: f.speed}
		if floor != nil {
			s := spreadOf(floor)
			one.Floor = &s
		}
		one.Met = one.Ratio.Median <= f.goal
		if f.speed {
			one.Met = one.Ratio.Median >= f.goal
		}
		r.Figures = append(r.Figures, one)
	}
	return r, nil
}
