package slacktest

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Fault makes calls fail as Slack's sometimes do. One of the fields is set.
type Fault struct {
	Status     int           // 500, 503: a page instead of JSON; 429 without Retry-After
	Code       string        // Slack's code: "internal_error", "fatal_error", "service_unavailable"
	RetryAfter time.Duration // 429, from a second on
	Slow       time.Duration // it is carried out only so much later
	Cut        bool          // the connection is cut, nothing is carried out
	Lost       bool          // it is carried out, but the answer never arrives
	Half       bool          // it is carried out, but the answer breaks off in the middle
}

type fault struct {
	Fault
	method string // "" : any
	left   int
}

// Fail makes the next n calls of the method fail, of any if the name is empty.
func (s *Server) Fail(method string, n int, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &fault{Fault: f, method: method, left: n})
}

// Storm answers the next n calls of any method with 429.
func (s *Server) Storm(n int, retryAfter time.Duration) {
	s.Fail("", n, Fault{RetryAfter: retryAfter})
}

// Calm ends all faults.
func (s *Server) Calm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

func (s *Server) takeFault(method string) *fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		if f.left > 0 && (f.method == "" || f.method == method) {
			f.left--
			return f
		}
	}
	return nil
}

func (s *Server) limited(w http.ResponseWriter, record Call, wait time.Duration) {
	answer := object{"ok": false, "error": "ratelimited"}
	s.note(record, answer, http.StatusTooManyRequests)
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	writeJSON(w, http.StatusTooManyRequests, answer)
}

// limiter holds a bucket a method, and for chat.postMessage one a channel too.
type limiter struct {
	off, tight bool
	buckets    map[string]*bucket
	windows    map[string]*windows
}

// windows let so many calls pass in each.
type windows struct {
	calls int
	each  time.Duration
	began time.Time // the first
	used  []int     // by window
}

func (w *windows) take(now time.Time) time.Duration {
	if w.began.IsZero() {
		w.began = now
	}
	n := int(now.Sub(w.began) / w.each)
	for len(w.used) <= n {
		w.used = append(w.used, 0)
	}
	if w.used[n] >= w.calls {
		return w.began.Add(time.Duration(n+1) * w.each).Sub(now)
	}
	w.used[n]++
	return 0
}

// Allow lets a method be called so often in each window of time, the first of which begins with the first
// call, and answers what is more with 429 until the window is over; also where there are no other limits.
func (s *Server) Allow(method string, calls int, window time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.limits.windows == nil {
		s.limits.windows = map[string]*windows{}
	}
	s.limits.windows[method] = &windows{calls: calls, each: window}
}

// Used is how often a method was called in each window of [Server.Allow] so far, the last of which is not over.
func (s *Server) Used(method string) []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.limits.windows[method].used)
}

// bucket is filled at a rate up to its size; a call takes one.
type bucket struct {
	level float64
	at    time.Time
}

// perMinute are Slack's tiers (https://docs.slack.dev/apis/web-api/rate-limits); "t5" is the special
// tier, "several hundred" for posting.
var perMinute = map[string]float64{"t1": 1, "t2": 20, "t3": 50, "t4": 100, "t5": 300}

// TightLimits lets each method be called only twice at once and six times a minute, so that a test meets
// 429 soon; false: as before.
func (s *Server) TightLimits(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits.tight, s.limits.off, s.limits.buckets = on, s.config.NoLimits && !on, map[string]*bucket{}
}

// limit takes from the method's allowance; if there is none left, it says how long to wait.
func (s *Server) limit(c *call) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.limits.windows[c.method.Name]; w != nil {
		return w.take(s.Clock.Now())
	}
	if s.limits.off {
		return 0
	}
	now := s.Clock.Now()
	rate := perMinute[or(c.method.Limits, "t3")]
	burst := rate
	if s.limits.tight {
		rate, burst = 6, 2
	}
	wait := s.limits.take(c.method.Name, now, rate/60, burst)
	if c.method.Name == "chat.postMessage" && wait == 0 {
		// One a second in a channel; short bursts are let pass.
		burst := 4.0
		if s.limits.tight {
			burst = 1
		}
		wait = s.limits.take(c.method.Name+" "+c.text("channel"), now, 1, burst)
	}
	return wait
}

func (l *limiter) take(name string, now time.Time, perSecond, size float64) time.Duration {
	b := l.buckets[name]
	if b == nil {
		b = &bucket{level: size, at: now}
		l.buckets[name] = b
	}
	b.level = math.Min(size, b.level+now.Sub(b.at).Seconds()*perSecond)
	b.at = now
	if b.level < 1 {
		return max(time.Second, time.Duration((1-b.level)/perSecond*float64(time.Second)))
	}
	b.level--
	return 0
}
