package browser

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// journal is the file of all changes: a head, then a line for each change that holds the whole
// message as it is since. It grows at its end only, and is written anew on opening when most of it
// is history.
type journal struct {
	f    *os.File
	good int64 // bytes that are known to be whole
}

type head struct {
	Browser  int    `json:"browser"` // version of the format
	Instance string `json:"instance"`
}

// append writes a line and waits until it is on disk.
func (j *journal) append(m *message) error {
	line, err := m.line()
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if _, err = j.f.WriteAt(line, j.good); err == nil {
		err = j.f.Sync()
	}
	if err != nil { // half a line would spoil the next
		return fmt.Errorf("journal: %w", errors.Join(err, j.f.Truncate(j.good)))
	}
	j.good += int64(len(line))
	return nil
}

func (j *journal) close() error { return j.f.Close() }

// open reads the journal of cfg.Dir, or makes it.
func (p *Platform) open() error {
	if p.cfg.Dir == "" {
		p.blobs = &memoryBlobs{m: map[string][]byte{}}
		p.secret = []byte(rand.Text())
		return nil
	}
	files := filepath.Join(p.cfg.Dir, "files")
	if err := os.MkdirAll(files, 0o700); err != nil {
		return err
	}
	p.blobs = folderBlobs(files)
	var err error
	if p.secret, err = secret(filepath.Join(p.cfg.Dir, "secret")); err != nil {
		return err
	}
	name := filepath.Join(p.cfg.Dir, "journal")
	lines, good, err := p.read(name)
	if err != nil {
		return err
	}
	if good == 0 || lines > 1000+4*len(p.messages) {
		if good, err = p.rewrite(name); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := f.Truncate(good); err != nil {
		return errors.Join(err, f.Close())
	}
	p.journal = &journal{f: f, good: good}
	p.sweep()
	return nil
}

// secret reads the key that signs forms, so that a form that was open during a restart can be sent.
func secret(name string) ([]byte, error) {
	b, err := os.ReadFile(name)
	if err == nil && len(b) >= 26 {
		return b, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	b = []byte(rand.Text())
	return b, whole(name, func(w io.Writer) error { _, err := w.Write(b); return err })
}

// read applies the lines of the journal and tells how many bytes of it are whole. A last line that
// was cut off by a crash was never shown to anybody, and is left out.
func (p *Platform) read(name string) (lines int, good int64, err error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<16)
	latest := map[string]*message{}
	for {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			if len(line) > 0 {
				p.log.Warn("journal: the last line was cut off and is left out", "bytes", len(line))
			}
			break
		}
		if err != nil {
			return 0, 0, err
		}
		if fault := p.readLine(lines == 0, line, latest); fault != nil {
			if _, err := r.ReadByte(); errors.Is(err, io.EOF) { // a torn write may end in a newline
				p.log.Warn("journal: the last line is broken and is left out", "error", fault)
				break
			}
			return 0, 0, fmt.Errorf("%s line %d: %w", name, lines+1, fault)
		}
		lines++
		good += int64(len(line))
	}
	all := make([]*message, 0, len(latest))
	for _, m := range latest {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b *message) int { return cmp.Compare(a.number, b.number) })
	for _, m := range all {
		if p.rooms[m.Room] == nil { // a channel or person no longer configured
			p.rooms[m.Room] = newRoom()
		}
		p.apply(m)
	}
	for _, r := range p.rooms {
		slices.SortFunc(r.said, func(a, b spoken) int { return cmp.Compare(a.seq, b.seq) })
	}
	p.trimmed = p.seq
	return lines, good, nil
}

func (p *Platform) readLine(first bool, line []byte, latest map[string]*message) error {
	d := json.NewDecoder(bytes.NewReader(line))
	if first {
		var h head
		if err := d.Decode(&h); err != nil {
			return err
		}
		if h.Browser != 1 || h.Instance == "" {
			return errors.New("not a journal of this version")
		}
		p.instance = h.Instance
		return nil
	}
	m := &message{}
	if err := d.Decode(m); err != nil {
		return err
	}
	n, err := strconv.ParseInt(strings.TrimPrefix(m.ID, "m"), 10, 64)
	if err != nil || m.Room == "" {
		return fmt.Errorf("no message %q", m.ID)
	}
	m.number = n
	latest[m.ID] = m
	return nil
}

// rewrite makes a journal that holds each message once.
func (p *Platform) rewrite(name string) (size int64, err error) {
	all := make([]*message, 0, len(p.messages))
	for _, m := range p.messages {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b *message) int { return cmp.Compare(a.number, b.number) })
	err = whole(name, func(w io.Writer) error {
		b := bufio.NewWriter(w)
		first, err := json.Marshal(head{1, p.instance})
		if err != nil {
			return err
		}
		n, _ := b.Write(append(first, '\n')) // an error stays until Flush
		size = int64(n)
		for _, m := range all {
			line, err := m.line()
			if err != nil {
				return err
			}
			n, _ = b.Write(line)
			size += int64(n)
		}
		return b.Flush()
	})
	return size, err
}

// whole writes a file so that a crash leaves the old one or the new one, never a part.
func whole(name string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	d, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// pendingFile is a file that a person has uploaded and not yet sent.
type pendingFile struct {
	file
	who string
	at  time.Time
}

// sweep removes files that no message holds: uploads that were never sent, or cut off by a crash.
func (p *Platform) sweep() {
	held := map[string]bool{}
	for _, m := range p.messages {
		for _, f := range m.Files {
			held[f.ID] = true
		}
	}
	for _, id := range p.blobs.list() {
		if !held[id] {
			p.blobs.remove(id)
		}
	}
}

// blobs keeps the bytes of files.
type blobs interface {
	put(id string, r io.Reader) (int64, error)
	open(id string) (io.ReadSeekCloser, time.Time, error)
	remove(id string)
	list() []string
}

var blobID = regexp.MustCompile(`^[a-z0-9]{26}$`)

type folderBlobs string

func (d folderBlobs) put(id string, r io.Reader) (int64, error) {
	f, err := os.OpenFile(filepath.Join(string(d), id), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(f, r)
	if err == nil {
		err = f.Sync()
	}
	return n, errors.Join(err, f.Close())
}

func (d folderBlobs) open(id string) (io.ReadSeekCloser, time.Time, error) {
	f, err := os.Open(filepath.Join(string(d), id))
	if err != nil {
		return nil, time.Time{}, err
	}
	st, err := f.Stat()
	if err != nil {
		return nil, time.Time{}, errors.Join(err, f.Close())
	}
	return f, st.ModTime(), nil
}

func (d folderBlobs) remove(id string) { _ = os.Remove(filepath.Join(string(d), id)) }

func (d folderBlobs) list() []string {
	entries, err := os.ReadDir(string(d))
	if err != nil {
		return nil
	}
	var ids []string
	for _, e := range entries {
		if blobID.MatchString(e.Name()) {
			ids = append(ids, e.Name())
		}
	}
	return ids
}

type memoryBlobs struct {
	mu sync.RWMutex
	m  map[string][]byte
}

func (b *memoryBlobs) put(id string, r io.Reader) (int64, error) {
	all, err := io.ReadAll(r)
	if err != nil {
		return 0, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.m[id] = all
	return int64(len(all)), nil
}

func (b *memoryBlobs) open(id string) (io.ReadSeekCloser, time.Time, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	all, ok := b.m[id]
	if !ok {
		return nil, time.Time{}, fs.ErrNotExist
	}
	return nopSeekCloser{bytes.NewReader(all)}, time.Time{}, nil
}

func (b *memoryBlobs) remove(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.m, id)
}

func (b *memoryBlobs) list() []string { return nil }

type nopSeekCloser struct{ *bytes.Reader }

func (nopSeekCloser) Close() error { return nil }
