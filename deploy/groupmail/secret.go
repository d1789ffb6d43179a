package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Secret says where a password or token stands: "env:NAME", "file:/path", or the value itself. It is
// read anew at each use, so that a changed one needs no restart. It never prints what it holds.
type Secret struct {
	from        string
	environment string // a file of NAME=value lines, in which env:NAME is looked for first
	name        string // of the setting, for messages
	line        int    // of the setting
}

// NewSecret makes one from what stands in a configuration.
func NewSecret(from string) Secret { return Secret{from: from} }

// String hides a value that stands in the configuration itself.
func (s Secret) String() string {
	if s.plain() {
		return "(hidden)"
	}
	return s.from
}

// GoString is for %#v.
func (s Secret) GoString() string { return s.String() }

// Set tells whether there is one.
func (s Secret) Set() bool { return s.from != "" }

func (s Secret) plain() bool {
	return s.from != "" && !strings.HasPrefix(s.from, "env:") && !strings.HasPrefix(s.from, "file:")
}

// Read returns the secret. Line breaks at its end, which editors leave, do not belong to it. Its
// errors are for people.
func (s Secret) Read() (string, error) {
	if name, ok := strings.CutPrefix(s.from, "env:"); ok {
		return s.variable(name)
	}
	path, ok := strings.CutPrefix(s.from, "file:")
	if !ok {
		return s.from, nil
	}
	b, err := os.ReadFile(path)
	v := strings.TrimRight(string(b), "\r\n")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("there is no file %s. Put the secret, and nothing else, into it", path)
	case errors.Is(err, fs.ErrPermission):
		return "", fmt.Errorf("%s may not be read by %s. Give it to that user: chown, then chmod 600", path, whoWeAre())
	case err != nil:
		return "", fmt.Errorf("%s cannot be read: %w", path, err)
	case v == "":
		return "", fmt.Errorf("%s is empty. Put the secret, and nothing else, into it", path)
	case strings.ContainsAny(v, "\r\n\x00"):
		return "", fmt.Errorf("%s holds more than one line. Put the secret, and nothing else, into it", path)
	}
	return v, nil
}

// variable reads an environment variable, from the file of them if there is one: unlike the
// process's own, those can change while it runs.
func (s Secret) variable(name string) (string, error) {
	where := ""
	if s.environment != "" {
		b, err := os.ReadFile(s.environment)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("%s cannot be read by %s: %w. Give it to that user: chown, then chmod 600", s.environment, whoWeAre(), err)
		}
		if v := variableIn(string(b), name); v != "" {
			return v, nil
		}
		where = ", nor is it in " + s.environment
	}
	if v := os.Getenv(name); v != "" {
		return v, nil
	}
	return "", fmt.Errorf("the environment variable %s is not set%s. Set it before the start, or write file:/path", name, where)
}

// variableIn finds NAME=value as systemd's EnvironmentFile= and Docker's --env-file write it.
func variableIn(file, name string) (value string) {
	for line := range strings.Lines(file) {
		k, v, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || strings.TrimSpace(strings.TrimPrefix(k, "export ")) != name {
			continue
		}
		v = strings.TrimSpace(v)
		if n := len(v); n >= 2 && (v[0] == '"' || v[0] == '\'') && v[n-1] == v[0] {
			v = v[1 : n-1]
		}
		value = v // the last one counts
	}
	return value
}

// cure is what to do where the secret is no longer accepted; empty if there is none.
func (s Secret) cure() string {
	if name, ok := strings.CutPrefix(s.from, "env:"); ok {
		if s.environment != "" {
			return "put the new password into " + s.environment + ", as " + name + "; no restart is needed"
		}
		return "set " + name + " to the new password and start GroupMail again; a password in a file (file:/path) needs no restart"
	}
	if path, ok := strings.CutPrefix(s.from, "file:"); ok {
		return "put the new password into " + path + "; no restart is needed"
	}
	if s.from == "" {
		return ""
	}
	return "put the new password into the configuration and start GroupMail again; a password in a file (file:/path) needs no restart"
}

// open tells whether everybody on this machine can read the secret's file.
func (s Secret) open() (bool, error) {
	path, ok := strings.CutPrefix(s.from, "file:")
	if !ok {
		return false, nil
	}
	info, err := os.Stat(path)
	return err == nil && info.Mode().Perm()&0o004 != 0, err
}

func whoWeAre() string {
	if name := os.Getenv("USER"); name != "" {
		return "user " + name
	}
	return fmt.Sprintf("user number %d", os.Getuid())
}
