//go:build !linux

package changes

import (
	"context"
	"errors"
)

type notify struct{}

func newNotify([]string) (*notify, error) { return nil, errors.ErrUnsupported }

func (*notify) wait(context.Context, func(string) bool) error { return nil }
func (*notify) close()                                        {}
