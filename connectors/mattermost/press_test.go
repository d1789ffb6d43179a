package mattermost

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"groupmail/bot"
	"groupmail/deploy/testbed"
)

// BenchmarkPress measures from a press until another person sees the card changed, against a
// bare server that does nothing but answer with the new card. Both are pressed in turn.
func BenchmarkPress(b *testing.B) {
	o := newOffice(b, testbed.Mattermost(b))
	o.run()
	ben := o.open(o.ben)
	ours := o.post(card("post-1", 1))
	version := int64(1)
	o.hub.click = func(bot.Click) bot.Answer {
		version++
		m := card("post-1", version)
		return bot.Answer{Redraw: &m}
	}

	bare := httptest.NewServer(nil)
	defer bare.Close()
	attachment := o.p.view(b.Context(), card("", 0)).attachment(card("", 0))
	attachment.Actions = []*model.PostAction{{
		Id: "take", Name: "Take", Type: model.PostActionTypeButton,
		Integration: &model.PostActionIntegration{URL: bare.URL},
	}}
	props := model.StringInterface{model.PostPropsAttachments: []*model.MessageAttachment{attachment}}
	bare.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		version++
		props["version"] = version
		update := &model.Post{}
		update.SetProps(props)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(model.PostActionIntegrationResponse{Update: update})
	})
	var floor model.Post
	o.must(o.bot, http.MethodPost, "/posts", map[string]any{"channel_id": o.channel.ID, "props": props}, &floor)

	press := func(id string) time.Duration {
		began := time.Now()
		done := make(chan struct{})
		go func() { // its answer comes after the event
			defer close(done)
			o.press(o.ann, id, "take")
		}()
		seen := ben.edited(id, func(*model.Post) bool { return true })
		<-done
		return seen.at.Sub(began)
	}
	press(ours)
	press(floor.Id)
	var our, its []time.Duration
	for b.Loop() {
		our = append(our, press(ours))
		its = append(its, press(floor.Id))
	}
	p := func(d []time.Duration, q float64) float64 {
		slices.Sort(d)
		return float64(d[int(float64(len(d)-1)*q)].Microseconds()) / 1000
	}
	b.ReportMetric(p(our, .5), "p50-ms")
	b.ReportMetric(p(our, .99), "p99-ms")
	b.ReportMetric(p(its, .5), "bare-p50-ms")
	b.ReportMetric(p(its, .99), "bare-p99-ms")
	b.ReportMetric(p(our, .5)/p(its, .5), "p50-ratio")
	b.ReportMetric(p(our, .99)/p(its, .99), "p99-ratio")
}
