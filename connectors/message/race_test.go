//go:build race

package message

// The race detector slows everything down tenfold; what measures is run without it.
const racing = true
