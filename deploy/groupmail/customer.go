package main

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"log/slog"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-imap/v2"

	"groupmail/connectors/message"
	"groupmail/ticketing"
)

//go:embed web
var web embed.FS

// customerPage is the demonstration's web mail: whoever opens it says who they are, writes to the
// team, and reads and answers what comes back. Its style is the browser channel's, from /assets/.
type customerPage struct {
	office *postOffice
	team   ticketing.Address
	log    *slog.Logger
	pages  *template.Template
	ended  chan struct{} // closed by close: the streams end
}

const customerPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// maxFiles are the bytes of all files of one mail.
const maxFiles = 25 << 20

func newCustomerPage(office *postOffice, team ticketing.Address, log *slog.Logger) *customerPage {
	p := &customerPage{office: office, team: team, log: log, ended: make(chan struct{})}
	p.pages = template.Must(template.New("").Funcs(template.FuncMap{
		"initial": func(name string) string {
			r, _ := utf8.DecodeRuneInString(name)
			return strings.ToUpper(string(r))
		},
		"when": when, "iso": func(t time.Time) string { return t.Format(time.RFC3339) },
		"size": fileSize,
	}).ParseFS(web, "web/*.html"))
	return p
}

// handler serves
//
//	/customer                                 who are you?
//	/customer/{address}                       your mail
//	/customer/{address}/file/{box}/{uid}/{n}  an attachment
//	/customer/{address}/events                tells of changes
func (p *customerPage) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /customer", p.who)
	mux.HandleFunc("GET /customer/{$}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/customer", http.StatusFound)
	})
	mux.HandleFunc("POST /customer", p.be)
	mux.HandleFunc("GET /customer-assets/{name}", p.asset)
	mux.HandleFunc("GET /customer/{address}", p.box)
	mux.HandleFunc("POST /customer/{address}", p.send)
	mux.HandleFunc("GET /customer/{address}/file/{box}/{uid}/{index}", p.file)
	mux.HandleFunc("GET /customer/{address}/events", p.events)
	return loopbackOnly(http.NewCrossOriginProtection().Handler(mux))
}

// close ends the streams, which an HTTP server would wait for.
func (p *customerPage) close() { close(p.ended) }

// loopbackOnly refuses other host names: a foreign one that was made to point here (DNS rebinding)
// would make its page ours.
func loopbackOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", customerPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if !loopback(strings.Trim(host, "[]")) {
			http.Error(w, "This server does not answer to that host name.", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

type customer struct{ Name, Address, URL string }

func (p *customerPage) customer(address, name string) customer {
	if known := p.office.called(address); known != "" && name == "" {
		name = known
	}
	if name == "" {
		name, _, _ = strings.Cut(address, "@")
	}
	return customer{Name: name, Address: address, URL: "/customer/" + url.PathEscape(address)}
}

func (p *customerPage) who(w http.ResponseWriter, r *http.Request) {
	p.whoPage(w, r, http.StatusOK, "")
}

func (p *customerPage) whoPage(w http.ResponseWriter, r *http.Request, status int, fault string) {
	data := struct {
		Team                 ticketing.Address
		People               []customer
		Fault, Name, Address string
	}{Team: p.team, Fault: fault, Name: r.PostFormValue("name"), Address: r.PostFormValue("address")}
	for _, address := range p.office.addresses() {
		if !strings.EqualFold(address, p.team.Addr) {
			data.People = append(data.People, p.customer(address, ""))
		}
	}
	p.page(w, r, status, "customer_who.html", data)
}

// be takes a new name and address.
func (p *customerPage) be(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<16)
	address, ok := plainAddress(r.PostFormValue("address"))
	switch {
	case !ok:
		p.whoPage(w, r, http.StatusUnprocessableEntity, "That is no mail address. Write it like maria@example.com.")
		return
	case strings.EqualFold(address, p.team.Addr):
		p.whoPage(w, r, http.StatusUnprocessableEntity, "That is the team's own address. Choose another: here you are somebody who writes to the team.")
		return
	}
	to := "/customer/" + url.PathEscape(address)
	if name := oneLine(r.PostFormValue("name"), 80); name != "" {
		to += "?name=" + url.QueryEscape(name)
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// shownMail is a mail as the page shows it.
type shownMail struct {
	ID, Box             string
	UID                 imap.UID
	Mine                bool // written here
	From                ticketing.Address
	To                  []ticketing.Address
	At                  time.Time
	Subject             string
	Text, Quoted        string
	Files               []shownFile
	Headers             [][2]string
	AnswerTo            string
	AnswerSubject       string
	AnswerFault, Answer string
}

type shownFile struct {
	Name, URL string
	Size      int64
}

type boxPage struct {
	Me            customer
	Team          ticketing.Address
	Typed         url.Values // given back when something was wrong
	Fault         string
	Mails         []shownMail
	NoMail, Limit bool
}

const shownMails = 60

func (p *customerPage) box(w http.ResponseWriter, r *http.Request) {
	p.boxPage(w, r, http.StatusOK, "")
}

func (p *customerPage) boxPage(w http.ResponseWriter, r *http.Request, status int, fault string) {
	address, ok := p.address(w, r)
	if !ok {
		return
	}
	data := boxPage{Me: p.customer(address, oneLine(r.FormValue("name"), 80)), Team: p.team, Fault: fault, Typed: url.Values{}}
	if fault != "" {
		data.Typed = url.Values{"subject": {r.FormValue("subject")}, "text": {r.FormValue("text")}, "answer": {r.FormValue("answer")}}
	}
	letters := p.office.list(address, "INBOX", "Sent")
	if len(letters) > shownMails {
		letters, data.Limit = letters[:shownMails], true
	}
	for _, l := range letters {
		m, err := p.read(l)
		if err != nil {
			p.log.Error("demo: a mail cannot be shown", "file", l.File, "err", err)
			continue
		}
		shown := p.show(address, l, m)
		if fault != "" && data.Typed.Get("answer") == shown.ID {
			shown.AnswerFault, shown.Answer = fault, data.Typed.Get("text")
			data.Fault, data.Typed = "", url.Values{}
		}
		data.Mails = append(data.Mails, shown)
	}
	data.NoMail = len(data.Mails) == 0
	p.page(w, r, status, "customer.html", data)
}

// address is whose page is asked for.
func (p *customerPage) address(w http.ResponseWriter, r *http.Request) (string, bool) {
	address, ok := plainAddress(r.PathValue("address"))
	if !ok || strings.EqualFold(address, p.team.Addr) {
		http.Redirect(w, r, "/customer", http.StatusFound)
		return "", false
	}
	return address, true
}

func (p *customerPage) read(l letter) (ticketing.Mail, error) {
	f, err := p.office.open(l)
	if err != nil {
		return ticketing.Mail{}, err
	}
	defer f.Close()
	return message.Parse(f, message.Options{}), nil
}

func (p *customerPage) show(address string, l letter, m ticketing.Mail) shownMail {
	s := shownMail{
		ID: fmt.Sprintf("%s-%d", l.Box, l.UID), Box: l.Box, UID: l.UID, Mine: l.Box == "Sent",
		From: m.From, To: slices.Concat(m.To, m.Cc), At: l.At, Subject: m.Subject, Text: strings.TrimSpace(m.Reply),
	}
	if s.Subject == "" {
		s.Subject = "(no subject)"
	}
	if s.Text == "" {
		s.Text = strings.TrimSpace(m.Text)
	} else if whole := strings.TrimSpace(m.Text); whole != s.Text {
		s.Quoted = whole
	}
	for _, a := range m.Attachments {
		s.Files = append(s.Files, shownFile{Name: a.Name, Size: a.Size,
			URL: fmt.Sprintf("/customer/%s/file/%s/%d/%d", url.PathEscape(address), l.Box, l.UID, a.Index)})
	}
	for _, h := range [][2]string{
		{"Message-ID", strings.Join(brackets(m.MessageID), "")},
		{"In-Reply-To", strings.Join(brackets(m.InReplyTo...), " ")},
		{"References", strings.Join(brackets(m.References...), " ")},
	} {
		if h[1] != "" {
			s.Headers = append(s.Headers, h)
		}
	}
	if !s.Mine {
		s.AnswerTo = answerTo(m).Addr
		s.AnswerSubject = message.ReplySubject(m.Subject, "")
	}
	return s
}

func brackets(ids ...string) []string {
	var all []string
	for _, id := range ids {
		if id != "" {
			all = append(all, "<"+id+">")
		}
	}
	return all
}

func answerTo(m ticketing.Mail) ticketing.Address {
	if len(m.ReplyTo) > 0 && m.ReplyTo[0].Addr != "" {
		return m.ReplyTo[0]
	}
	return m.From
}

// send takes a new mail or, with "answer", an answer.
func (p *customerPage) send(w http.ResponseWriter, r *http.Request) {
	address, ok := p.address(w, r)
	if !ok {
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxFiles+1<<20)
	if err := r.ParseMultipartForm(1 << 20); err != nil {
		text := "The mail could not be read. Please try again."
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			text = fmt.Sprintf("The files are larger than %s together. Leave one out.", fileSize(maxFiles))
		}
		r.MultipartForm = nil
		p.boxPage(w, r, http.StatusUnprocessableEntity, text)
		return
	}
	defer func() { _ = r.MultipartForm.RemoveAll() }() // in the temporary folder
	out, fault := p.compose(address, r)
	if fault != "" {
		p.boxPage(w, r, http.StatusUnprocessableEntity, fault)
		return
	}
	var raw bytes.Buffer
	err := message.Compose(&raw, out)
	if err == nil {
		err = p.office.deliver(address, recipients(out), raw.Bytes())
	}
	if err == nil {
		err = p.office.add(address, "Sent", time.Now(), []imap.Flag{imap.FlagSeen}, raw.Bytes())
	}
	if err != nil {
		p.log.Error("demo: a customer's mail was not sent", "err", err)
		p.boxPage(w, r, http.StatusInternalServerError, "That went wrong on the server, and nothing was sent. Please try again.")
		return
	}
	http.Redirect(w, r, "/customer/"+url.PathEscape(address), http.StatusSeeOther)
}

func recipients(m message.Outgoing) []string {
	var all []string
	for _, a := range slices.Concat(m.To, m.Cc) {
		all = append(all, strings.ToLower(a.Addr))
	}
	return all
}

func (p *customerPage) compose(address string, r *http.Request) (out message.Outgoing, fault string) {
	text := strings.TrimSpace(strings.ReplaceAll(r.FormValue("text"), "\r\n", "\n"))
	files := r.MultipartForm.File["files"]
	files = slices.DeleteFunc(files, func(f *multipart.FileHeader) bool { return f.Filename == "" })
	if text == "" && len(files) == 0 {
		return out, "There is nothing to send: write something first."
	}
	_, domain, _ := strings.Cut(address, "@")
	name := oneLine(r.FormValue("name"), 80)
	out = message.Outgoing{
		MessageID: message.NewMessageID(domain), Date: time.Now(), Text: text,
		From: ticketing.Address{Name: p.customer(address, name).Name, Addr: address},
		To:   []ticketing.Address{p.team}, Subject: oneLine(r.FormValue("subject"), 300),
	}
	for _, f := range files {
		out.Files = append(out.Files, message.File{Name: f.Filename, Type: f.Header.Get("Content-Type"), Open: func() (io.ReadCloser, error) {
			return f.Open()
		}})
	}
	if r.FormValue("answer") == "" {
		return out, ""
	}
	box, number, _ := strings.Cut(r.FormValue("answer"), "-")
	l, ok := p.letter(address, box, number)
	if !ok {
		return out, "The mail that you answer is gone. Write a new one instead."
	}
	m, err := p.read(l)
	if err != nil {
		p.log.Error("demo: a mail cannot be read", "file", l.File, "err", err)
		return out, "The mail that you answer cannot be read. Write a new one instead."
	}
	// RFC 5322 section 3.6.4.
	out.To, out.Subject = []ticketing.Address{answerTo(m)}, message.ReplySubject(m.Subject, "")
	if m.MessageID != "" {
		out.InReplyTo = []string{m.MessageID}
		out.References = append(slices.Clone(m.References), m.MessageID)
	}
	out.Text += "\n\n" + quotation(m, l.At)
	return out, ""
}

// quotation is the mail that is answered, as mail programs quote it.
func quotation(m ticketing.Mail, at time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "On %s, %s wrote:\n", at.Format("Mon, 2 Jan 2006 at 15:04"), m.From.Called())
	for line := range strings.Lines(strings.TrimSpace(m.Text)) {
		b.WriteString("> " + strings.TrimRight(line, "\n") + "\n")
	}
	return b.String()
}

func (p *customerPage) letter(address, box, number string) (letter, bool) {
	uid, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return letter{}, false
	}
	return p.office.find(address, box, imap.UID(uid))
}

// file hands an attachment out so that no browser opens it here.
func (p *customerPage) file(w http.ResponseWriter, r *http.Request) {
	address, ok := p.address(w, r)
	if !ok {
		return
	}
	l, ok := p.letter(address, r.PathValue("box"), r.PathValue("uid"))
	index, err := strconv.Atoi(r.PathValue("index"))
	if !ok || err != nil {
		http.NotFound(w, r)
		return
	}
	m, err := p.read(l)
	i := slices.IndexFunc(m.Attachments, func(a ticketing.Attachment) bool { return a.Index == index })
	if err != nil || i < 0 {
		http.NotFound(w, r)
		return
	}
	raw, err := p.office.open(l)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer raw.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Security-Policy", "sandbox; default-src 'none'")
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": m.Attachments[i].Name}))
	if err := message.Attachment(w, raw, index); err != nil {
		p.log.Warn("demo: an attachment was not handed out", "file", l.File, "err", err)
	}
}

// events tells an open page that there is something new: server-sent events without content.
func (p *customerPage) events(w http.ResponseWriter, r *http.Request) {
	address, ok := p.address(w, r)
	if !ok {
		return
	}
	news, stop := p.office.news(address)
	defer stop()
	c := http.NewResponseController(w)
	_ = c.SetWriteDeadline(time.Time{}) // a stream has no end
	w.Header().Set("Content-Type", "text/event-stream")
	write := func(s string) bool {
		_, err := io.WriteString(w, s)
		return err == nil && c.Flush() == nil
	}
	// What came while the page was loading is not known to it.
	if !write("event: mail\ndata: \n\n") {
		return
	}
	beat := time.NewTicker(15 * time.Second)
	defer beat.Stop()
	for {
		text := ": still there\n\n"
		select {
		case <-r.Context().Done():
			return
		case <-p.ended:
			return
		case <-beat.C:
		case <-news:
			text = "event: mail\ndata: \n\n"
		}
		if !write(text) {
			return
		}
	}
}

func (p *customerPage) page(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
	var b bytes.Buffer
	if err := p.pages.ExecuteTemplate(&b, name, data); err != nil {
		p.log.Error("demo: a page", "page", name, "err", err)
		http.Error(w, "This page cannot be made.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(b.Bytes())
	}
}

func (p *customerPage) asset(w http.ResponseWriter, r *http.Request) {
	name := path.Base(r.PathValue("name"))
	b, err := fs.ReadFile(web, "web/"+name)
	if err != nil || strings.HasSuffix(name, ".html") {
		http.NotFound(w, r)
		return
	}
	sum := sha256.Sum256(b)
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:8])+`"`)
	w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
}

// oneLine is typed text for a header.
func oneLine(s string, most int) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "")), " ")
	if r := []rune(s); len(r) > most {
		s = string(r[:most])
	}
	return s
}

func when(t time.Time) string {
	t = t.Local()
	now := time.Now()
	switch {
	case t.Format(time.DateOnly) == now.Format(time.DateOnly):
		return t.Format("15:04")
	case now.Sub(t) < 6*24*time.Hour:
		return t.Format("Mon 15:04")
	}
	return t.Format("2 Jan 2006 15:04")
}

func fileSize(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d bytes", n)
	case n < 999_500:
		return fmt.Sprintf("%d kB", (n+500)/1000)
	}
	return strings.Replace(fmt.Sprintf("%.1f MB", float64(n)/1e6), ".0 MB", " MB", 1)
}
