//go:build !race

package message

const racing = false
