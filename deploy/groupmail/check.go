package main

type checkCommand struct{ configFlag }
type setupCommand struct{}
