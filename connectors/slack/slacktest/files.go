package slacktest

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
)

// file is a file: announced by getUploadURLExternal, then uploaded, then shared.
type file struct {
	id, name, title, user string
	alt                   string
	bot                   bool
	size                  int
	data                  []byte
	mimetype              string
	created               time.Time
	uploaded, complete    bool
	deleted               bool
	channels              []*channel
	shares                []share
}

type share struct {
	m *message
}

func (w *workspace) file(id string) *file {
	for _, f := range w.files {
		if f.id == id {
			return f
		}
	}
	return nil
}

const (
	maxFile = 1 << 30
	maxAlt  = 1000
)

func (s *Server) filesGetUploadURL(c *call) (object, error) {
	size := c.number("length", 0)
	switch {
	case size > maxFile:
		return nil, refuse("file_upload_size_restricted")
	case length(c.text("alt_txt")) > maxAlt:
		return nil, refuse("alt_txt_too_large")
	}
	f := &file{id: "F0" + id(9), name: c.text("filename"), alt: c.text("alt_txt"), user: s.BotUser, bot: true, size: size, created: s.Clock.Now()}
	f.title = f.name
	s.world.files = append(s.world.files, f)
	path := "/upload/v1/" + secret(48)
	s.uploads[path] = f
	return object{"upload_url": s.URL + path, "file_id": f.id}, nil
}

// serveUpload takes the bytes: as they are, or as the file of a form.
func (s *Server) serveUpload(w http.ResponseWriter, r *http.Request) {
	fault := s.takeFault("upload")
	if fault != nil && fault.Status != 0 {
		http.Error(w, http.StatusText(fault.Status), fault.Status)
		return
	}
	s.mu.Lock()
	f := s.uploads[r.URL.Path]
	s.mu.Unlock()
	if f == nil {
		http.Error(w, "Not Found", http.StatusNotFound)
		return
	}
	data, err := uploaded(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(data) != f.size {
		s.mistake("file %s was announced with %d bytes and has %d", f.id, f.size, len(data))
		http.Error(w, "the length is not as announced", http.StatusBadRequest)
		return
	}
	f.data, f.uploaded = data, true
	f.mimetype = typeOf(f.name, data)
	_, _ = fmt.Fprintf(w, "OK - %d", len(data))
}

func uploaded(r *http.Request) ([]byte, error) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "multipart/form-data" {
		return io.ReadAll(io.LimitReader(r.Body, maxFile))
	}
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, err
	}
	for {
		part, err := parts.NextPart()
		if err != nil {
			return nil, fmt.Errorf("no file: %w", err)
		}
		if part.FileName() != "" {
			return io.ReadAll(io.LimitReader(part, maxFile))
		}
	}
}

func typeOf(name string, data []byte) string {
	if t := mime.TypeByExtension(strings.ToLower(path.Ext(name))); t != "" {
		t, _, _ = mime.ParseMediaType(t)
		return t
	}
	t, _, _ := mime.ParseMediaType(http.DetectContentType(data))
	return t
}

func (s *Server) filesCompleteUpload(c *call) (object, error) {
	if err := s.noCustomising(c); err != nil {
		return nil, err
	}
	list, _ := c.args["files"].([]any)
	if len(list) == 0 {
		return nil, invalid("must provide at least 1 items [json-pointer:/files]")
	}
	var all []*file
	for i, v := range list {
		check := &checker{}
		fields{"id*": str(1, 255), "title": str(0, 0), "highlight_type": str(0, 10)}.check(check, fmt.Sprintf("/files/%d", i), v)
		if len(check.faults) != 0 {
			return nil, invalid(check.messages()...)
		}
		o, _ := v.(object)
		f := s.world.file(textOf(o["id"]))
		if f == nil || !f.uploaded || f.complete || !f.bot || slices.Contains(all, f) {
			return nil, refuse("file_not_found")
		}
		f.title = or(textOf(o["title"]), f.title)
		all = append(all, f)
	}
	var targets []*channel
	var root *message
	names := strings.Split(or(c.text("channel_id"), c.text("channels")), ",")
	if c.text("channel_id") != "" && c.text("channels") != "" {
		return nil, refuse("invalid_arguments", "[ERROR] must provide either `channel_id` or `channels`")
	}
	for _, name := range names {
		if name == "" {
			continue
		}
		ch := s.find(name)
		switch {
		case ch == nil || ch.ID != name:
			return nil, refuse("channel_not_found")
		case !ch.has(s.BotUser):
			return nil, refuse("not_in_channel")
		case ch.archived:
			return nil, refuse("posting_to_channel_denied")
		}
		targets = append(targets, ch)
		if c.text("thread_ts") != "" {
			var err error
			if root, err = thread(c, ch); err != nil {
				return nil, err
			}
		}
	}
	if c.args["blocks"] != nil && c.text("initial_comment") != "" {
		return nil, refuse("invalid_arguments", "[ERROR] must provide either `blocks` or `initial_comment`")
	}
	blocks, err := s.checkBlocks(or(c.text("blocks"), "[]"))
	if err != nil {
		return nil, err
	}
	finished, _ := finish(any(blocks), true).([]any)
	answer := []any{}
	for _, f := range all {
		f.complete = true
		answer = append(answer, s.fileObject(f))
	}
	share := func() {
		for _, ch := range targets {
			s.shareFiles(&message{channel: ch, root: root, user: s.BotUser, bot: true, text: c.text("initial_comment"), blocks: finished}, all)
		}
	}
	if s.config.FileDelay == 0 {
		share()
	} else {
		due := s.Clock.Now().Add(s.config.FileDelay)
		s.work.Go(func() {
			if s.Clock.wait(s.ctx, due, nil) {
				s.mu.Lock()
				share()
				s.mu.Unlock()
			}
		})
	}
	return object{"files": answer}, nil
}

// shareFiles posts a message with files. Holds mu.
func (s *Server) shareFiles(m *message, all []*file) {
	m.files, m.subtype, m.hasUpload = all, "file_share", true
	if m.bot {
		m.subtype = "" // an app's own upload comes without
	}
	for _, f := range all {
		f.channels = append(f.channels, m.channel)
		f.shares = append(f.shares, share{m})
	}
	s.reckon(m, nil)
	s.post(m)
}

func (s *Server) filesInfo(c *call) (object, error) {
	f := s.world.file(c.text("file"))
	switch {
	case f == nil || !f.complete || !s.maySee(f):
		return nil, refuse("file_not_found")
	case f.deleted:
		return nil, refuse("file_deleted")
	}
	return object{"file": s.fileObject(f), "comments": []any{}, "response_metadata": object{"next_cursor": ""}}, nil
}

// maySee tells whether the bot may see the file: it is its own, or shared where the bot is.
func (s *Server) maySee(f *file) bool {
	return f.bot || slices.ContainsFunc(f.channels, func(c *channel) bool { return c.has(s.BotUser) })
}

// fileObject is a file as it looks in messages and answers. Its addresses are on the API's host, which is
// where clients send their token to.
func (s *Server) fileObject(f *file) object {
	if f.deleted {
		return object{"id": f.id, "mode": "tombstone"}
	}
	name := url.PathEscape(f.name)
	private := s.URL + "/files-pri/" + s.TeamID + "-" + f.id + "/"
	kind := strings.TrimPrefix(strings.ToLower(path.Ext(f.name)), ".")
	if kind == "" || kind == "txt" {
		kind = "text"
	}
	var channels, groups, ims []string
	public, private2 := object{}, object{}
	for _, c := range f.channels {
		switch c.kind() {
		case "channel":
			channels = append(channels, c.ID)
		case "group":
			groups = append(groups, c.ID)
		default:
			ims = append(ims, c.ID)
		}
	}
	for _, sh := range f.shares {
		at := object{"ts": sh.m.ts, "channel_name": sh.m.channel.Name, "team_id": s.TeamID, "share_user_id": f.user, "source": "UNKNOWN", "is_silent_share": false}
		if sh.m.root != nil {
			at["thread_ts"] = sh.m.root.ts
		}
		in := private2
		if sh.m.channel.kind() == "channel" {
			in = public
		}
		list, _ := in[sh.m.channel.ID].([]any)
		in[sh.m.channel.ID] = append(list, at)
	}
	shares := object{}
	if len(public) != 0 {
		shares["public"] = public
	}
	if len(private2) != 0 {
		shares["private"] = private2
	}
	o := object{
		"id": f.id, "created": f.created.Unix(), "timestamp": f.created.Unix(), "name": f.name, "title": f.title, "mimetype": f.mimetype, "filetype": kind,
		"pretty_type": strings.ToUpper(kind), "user": f.user, "user_team": s.TeamID, "editable": false, "size": f.size, "mode": "hosted", "is_external": false,
		"external_type": "", "is_public": len(channels) != 0, "public_url_shared": false, "display_as_bot": false, "username": "",
		"url_private": private + name, "url_private_download": private + "download/" + name, "permalink": "https://" + s.world.domain + ".slack.com/files/" + f.user + "/" + f.id + "/" + name,
		"permalink_public": "https://slack-files.com/" + s.TeamID + "-" + f.id + "-" + f.id[2:], "has_rich_preview": false, "file_access": "visible", "media_display_type": "unknown",
		"channels": nonNil(channels), "groups": nonNil(groups), "ims": nonNil(ims), "shares": shares, "comments_count": 0,
	}
	if f.alt != "" {
		o["alt_txt"] = f.alt
	}
	return o
}

func nonNil(s []string) []string { return append([]string{}, s...) }

// serveFile gives a file's bytes to who has the bot's token and may see it. Everybody else gets the page
// for signing in, and status 200: as on Slack.
func (s *Server) serveFile(w http.ResponseWriter, r *http.Request) {
	record := Call{At: s.Clock.Now(), Method: "file", Args: object{"path": r.URL.Path}}
	fault := s.takeFault("file")
	if fault != nil && fault.Status != 0 {
		s.note(record, nil, fault.Status)
		http.Error(w, http.StatusText(fault.Status), fault.Status)
		return
	}
	_, id, _ := strings.Cut(r.PathValue("id"), "-")
	s.mu.Lock()
	f := s.world.file(id)
	token := or(s.renewed, s.BotToken)
	may := f != nil && f.uploaded && !f.deleted && s.revoked == "" && s.app.may("files:read") && s.maySee(f)
	s.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer "+token || !may {
		s.note(record, nil, http.StatusOK)
		s.serveLogin(w, r)
		return
	}
	w.Header().Set("Content-Type", f.mimetype)
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": f.name}))
	if fault != nil && fault.Cut {
		w.Header().Set("Content-Length", fmt.Sprint(len(f.data)))
		_, _ = w.Write(f.data[:len(f.data)/2])
		if flush, ok := w.(http.Flusher); ok {
			flush.Flush()
		}
		panic(http.ErrAbortHandler)
	}
	s.note(record, nil, http.StatusOK)
	_, _ = w.Write(f.data)
}
