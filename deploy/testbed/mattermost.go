package testbed

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// MattermostServer is a real Mattermost 11.1, as one test sees it. What it makes
// has unique names, so that tests may share the server. Its methods end the test
// if they fail.
type MattermostServer struct {
	URL        string // http://127.0.0.1:port, also the server's SiteURL
	AdminToken string // bearer token of a system administrator

	t testing.TB
	m *mattermost // of a private server
}

// MattermostUser is a person or a bot.
type MattermostUser struct {
	ID, Username string
	Token        string // bearer token; a person's password is [Password]
}

// MattermostTeam is a team; channels are in teams.
type MattermostTeam struct{ ID, Name string }

// MattermostChannel is a channel of a team.
type MattermostChannel struct{ ID, Name, TeamID string }

// Mattermost returns a server that other tests use as well: the one named by
// GROUPMAIL_TEST_MATTERMOST (http://ADMINTOKEN@host:port), else one that this
// test process starts for itself.
func Mattermost(t testing.TB) *MattermostServer {
	t.Helper()
	server := os.Getenv("GROUPMAIL_TEST_MATTERMOST")
	if server == "" {
		needMattermost(t)
		m, err := sharedMattermost()
		must(t, "Mattermost", err)
		return &MattermostServer{URL: m.url, AdminToken: m.adminToken, t: t}
	}
	u, err := url.Parse(server)
	must(t, "GROUPMAIL_TEST_MATTERMOST", err)
	token := u.User.Username()
	u.User = nil
	return &MattermostServer{URL: u.String(), AdminToken: token, t: t}
}

// NewMattermost starts a server for this test alone, which it may stop and start
// again on the same port with the same data. Settings are environment variables
// such as "MM_SERVICESETTINGS_POSTEDITTIMELIMIT=1" or "MM_RATELIMITSETTINGS_ENABLE=true".
func NewMattermost(t testing.TB, settings ...string) *MattermostServer {
	t.Helper()
	needMattermost(t)
	m, err := startMattermost(Postgres(t), settings...)
	must(t, "Mattermost", err)
	t.Cleanup(func() { m.end(t, syscall.SIGKILL) })
	return &MattermostServer{URL: m.url, AdminToken: m.adminToken, t: t, m: m}
}

func needMattermost(t testing.TB) {
	t.Helper()
	if home, err := mattermostHome(); err != nil || !isProgram(filepath.Join(home, "mattermost")) {
		missing(t, "the Mattermost server, built from deploy/testbed/mattermost")
	}
	if postgresBinaries() == "" {
		missing(t, "PostgreSQL (Debian: postgresql)")
	}
}

// Stop shuts a private server down; its websockets are closed.
func (s *MattermostServer) Stop() {
	s.t.Helper()
	s.private().stop(syscall.SIGTERM)
}

// Kill ends a private server at once, as kill -9 does.
func (s *MattermostServer) Kill() {
	s.t.Helper()
	s.private().stop(syscall.SIGKILL)
}

// Start starts a private server again and waits until it answers.
func (s *MattermostServer) Start() {
	s.t.Helper()
	must(s.t, "Mattermost", s.private().start())
}

func (s *MattermostServer) private() *mattermost {
	s.t.Helper()
	if s.m == nil {
		s.t.Fatal("testbed: this Mattermost is shared; NewMattermost starts one to stop")
	}
	return s.m
}

// NewUser makes a person. On a shared server the account is deactivated when the
// test ends: there is room for 250 active ones.
func (s *MattermostServer) NewUser() MattermostUser {
	s.t.Helper()
	u := MattermostUser{Username: unique("user")}
	s.admin(http.MethodPost, "/users", map[string]any{
		"username": u.Username, "email": u.Username + "@example.org", "password": Password,
	}, &u)
	if s.m == nil {
		s.t.Cleanup(func() { s.admin(http.MethodDelete, "/users/"+u.ID, nil, nil) })
	}
	u.Token = s.newToken(u.ID)
	return u
}

// NewBot makes a bot, as an administrator does for GroupMail.
func (s *MattermostServer) NewBot() MattermostUser {
	s.t.Helper()
	var bot struct {
		ID       string `json:"user_id"`
		Username string
	}
	s.admin(http.MethodPost, "/bots", map[string]any{"username": unique("bot")}, &bot)
	return MattermostUser{ID: bot.ID, Username: bot.Username, Token: s.newToken(bot.ID)}
}

// NewTeam makes an open team.
func (s *MattermostServer) NewTeam(members ...MattermostUser) MattermostTeam {
	s.t.Helper()
	var team MattermostTeam
	name := unique("team")
	s.admin(http.MethodPost, "/teams", map[string]any{"name": name, "display_name": name, "type": "O"}, &team)
	s.join(team.ID, members)
	return team
}

// NewChannel makes a channel; its members join the team too.
func (s *MattermostServer) NewChannel(team MattermostTeam, private bool, members ...MattermostUser) MattermostChannel {
	s.t.Helper()
	kind := "O"
	if private {
		kind = "P"
	}
	name := unique("channel")
	channel := MattermostChannel{TeamID: team.ID}
	s.admin(http.MethodPost, "/channels", map[string]any{
		"team_id": team.ID, "name": name, "display_name": name, "type": kind,
	}, &channel)
	s.join(team.ID, members)
	for _, m := range members {
		s.admin(http.MethodPost, "/channels/"+channel.ID+"/members", map[string]any{"user_id": m.ID}, nil)
	}
	return channel
}

// Call is one request of the REST API (path below /api/v4) with somebody's token.
// It returns the status; a body, if any, is sent as JSON, and the answer is
// decoded into answer unless that is nil or the status is an error.
func (s *MattermostServer) Call(token, method, path string, body, answer any) (status int) {
	s.t.Helper()
	status, err := callMattermost(s.URL, token, method, path, body, answer)
	if status == 0 {
		must(s.t, method+" "+path, err)
	}
	return status
}

func (s *MattermostServer) join(team string, members []MattermostUser) {
	s.t.Helper()
	for _, m := range members {
		s.admin(http.MethodPost, "/teams/"+team+"/members", map[string]any{"team_id": team, "user_id": m.ID}, nil)
	}
}

func (s *MattermostServer) newToken(user string) string {
	s.t.Helper()
	var token struct{ Token string }
	s.admin(http.MethodPost, "/users/"+user+"/tokens", map[string]any{"description": "test"}, &token)
	return token.Token
}

// admin is Call as the administrator, to whom nothing is refused.
func (s *MattermostServer) admin(method, path string, body, answer any) {
	s.t.Helper()
	_, err := callMattermost(s.URL, s.AdminToken, method, path, body, answer)
	must(s.t, "Mattermost", err)
}

// callMattermost returns an error also for a status that is one; status is 0 if
// there was no answer.
func callMattermost(server, token, method, path string, body, answer any) (status int, err error) {
	status, _, err = requestMattermost(server, token, method, path, body, answer)
	return status, err
}

func requestMattermost(server, token, method, path string, body, answer any) (status int, header http.Header, err error) {
	sent, err := json.Marshal(body)
	if err != nil {
		return 0, nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, server+"/api/v4"+path, bytes.NewReader(sent))
	if err != nil {
		return 0, nil, err
	}
	req.Close = true // leaves no idle connection with its goroutines
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, err
	}
	if resp.StatusCode >= 300 {
		return resp.StatusCode, nil, fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, got)
	}
	if answer != nil {
		err = json.Unmarshal(got, answer)
	}
	return resp.StatusCode, resp.Header, err
}

func unique(kind string) string { return kind + "-" + strings.ToLower(rand.Text()) }

// mattermost is a server process.
type mattermost struct {
	process
	url        string
	adminToken string
}

var sharedMattermost = sync.OnceValues(func() (*mattermost, error) {
	p, err := sharedPostgres()
	if err != nil {
		return nil, err
	}
	if err := execPostgres(p.url, "CREATE DATABASE mattermost"); err != nil {
		return nil, err
	}
	return startMattermost(strings.Replace(p.url, "/postgres?", "/mattermost?", 1))
})

// startMattermost starts a server on an empty database and makes its first
// account, which is an administrator's.
func startMattermost(database string, settings ...string) (*mattermost, error) {
	home, err := mattermostHome()
	if err != nil {
		return nil, err
	}
	dir, err := newDir("mattermost")
	if err != nil {
		return nil, err
	}
	// The server looks for these in its working directory.
	for _, name := range []string{"i18n", "templates", "fonts"} {
		if err := os.Symlink(filepath.Join(home, name), filepath.Join(dir, name)); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{"config", "data", "logs", "plugins", "client/plugins", "bleve"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "client", "root.html"), []byte("<!doctype html>"), 0o600); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	m := &mattermost{url: "http://" + loopback(port)}
	m.process = process{
		name: "Mattermost", dir: dir,
		root: true, // the program is in our cache folder, which nobody else may enter
		args: []string{filepath.Join(home, "mattermost"), "server", "-c", filepath.Join(dir, "config", "config.json")},
		env: append([]string{
			"MM_SQLSETTINGS_DRIVERNAME=postgres",
			"MM_SQLSETTINGS_DATASOURCE=" + database,
			"MM_SQLSETTINGS_MAXOPENCONNS=30",
			"MM_SQLSETTINGS_MAXIDLECONNS=10",
			"MM_SERVICESETTINGS_LISTENADDRESS=" + loopback(port),
			"MM_SERVICESETTINGS_SITEURL=" + m.url,
			"MM_SERVICESETTINGS_ENABLEBOTACCOUNTCREATION=true",
			"MM_SERVICESETTINGS_ENABLEUSERACCESSTOKENS=true",
			"MM_SERVICESETTINGS_ENABLECOMMANDS=true",
			"MM_SERVICESETTINGS_ALLOWEDUNTRUSTEDINTERNALCONNECTIONS=127.0.0.1 localhost",
			"MM_SERVICESETTINGS_ENABLESECURITYFIXALERT=false",
			"MM_SERVICESETTINGS_ENABLELINKPREVIEWS=false",
			"MM_TEAMSETTINGS_MAXUSERSPERTEAM=1000",
			"MM_PASSWORDSETTINGS_MINIMUMLENGTH=5",
			"MM_PLUGINSETTINGS_ENABLE=false",
			"MM_FILESETTINGS_DIRECTORY=" + filepath.Join(dir, "data"),
			"MM_LOGSETTINGS_ENABLEDIAGNOSTICS=false",
			"MM_LOGSETTINGS_ENABLEFILE=false",
			"MM_LOGSETTINGS_CONSOLELEVEL=INFO",
			"MM_EMAILSETTINGS_SENDEMAILNOTIFICATIONS=false",
			"MM_JOBSETTINGS_RUNJOBS=false",
			"MM_JOBSETTINGS_RUNSCHEDULER=false",
			"MM_ANNOUNCEMENTSETTINGS_ADMINNOTICESENABLED=false",
			"MM_ANNOUNCEMENTSETTINGS_USERNOTICESENABLED=false",
			"MM_RATELIMITSETTINGS_ENABLE=false",
		}, settings...),
		ready: func(context.Context) error {
			_, err := callMattermost(m.url, "", http.MethodGet, "/system/ping", nil, nil)
			return err
		},
	}
	if err := m.start(); err != nil {
		return nil, err
	}
	if err := m.makeAdmin(); err != nil {
		m.stop(syscall.SIGKILL)
		return nil, err
	}
	return m, nil
}

// makeAdmin makes the first account and signs in.
func (m *mattermost) makeAdmin() error {
	_, err := callMattermost(m.url, "", http.MethodPost, "/users", map[string]any{
		"username": "admin", "email": "admin@example.org", "password": Password,
	}, nil)
	if err != nil {
		return err
	}
	_, header, err := requestMattermost(m.url, "", http.MethodPost, "/users/login", map[string]any{
		"login_id": "admin", "password": Password,
	}, nil)
	m.adminToken = header.Get("Token")
	return err
}

// mattermostHome is where deploy/test puts the server and the folders it needs.
func mattermostHome() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	sums, err := os.ReadFile(filepath.Join(moduleRoot, "deploy", "testbed", "mattermost", "go.sum"))
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "groupmail", fmt.Sprintf("mattermost-%.8x", sha256.Sum256(sums))), nil
}

// moduleRoot is found before a test changes the working directory.
var moduleRoot = func() string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	for {
		if mod, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil && bytes.HasPrefix(mod, []byte("module groupmail\n")) {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
		dir = filepath.Dir(dir)
	}
}()
