package message

import (
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestReply cuts the texts of testdata/reply: each file "name" is a text and "name.reply" what of
// it the sender wrote. A name that begins with "fwd" is of a forwarded mail.
func TestReply(t *testing.T) {
	files, _ := filepath.Glob("testdata/reply/*.txtar")
	n := 0
	for _, f := range files {
		ar, err := txtar.ParseFile(f)
		if err != nil {
			t.Fatal(err)
		}
		wants := map[string]string{}
		for _, x := range ar.Files {
			if name, ok := strings.CutSuffix(x.Name, ".reply"); ok {
				wants[name] = string(x.Data)
			}
		}
		for _, x := range ar.Files {
			want, ok := wants[x.Name]
			if !ok {
				if !strings.HasSuffix(x.Name, ".reply") {
					t.Errorf("%s has no .reply", x.Name)
				}
				continue
			}
			n++
			t.Run(strings.TrimSuffix(filepath.Base(f), ".txtar")+"/"+x.Name, func(t *testing.T) {
				got := reply(string(x.Data), strings.HasPrefix(x.Name, "fwd"))
				if want := strings.Trim(want, "\n"); got != want {
					t.Errorf("got:\n%s\n\nwant:\n%s", got, want)
				}
			})
		}
	}
	if n < 60 {
		t.Errorf("only %d texts", n)
	}
}

// TestDeviceLines: what telephones and programs add below a mail, in their languages.
func TestDeviceLines(t *testing.T) {
	for _, l := range []string{
		"Sent from my iPhone", "Sent from my iPad", "Sent from my phone", "Sent from my Galaxy", "Sent from my Samsung Galaxy smartphone.", "Sent from my Android device with K-9 Mail. Please excuse my brevity.",
		"Sent from my phone, please excuse any typos", "Sent from Mail for Windows", "Sent from Outlook for Android", "Sent from Yahoo Mail on Android", "Sent from Yahoo Mail for iPhone", "Sent via BlackBerry", "Sent with Proton Mail secure email.", "Sent from Proton Mail for iOS", "Get Outlook for iOS", "Get Outlook for Android",
		"Von meinem iPhone gesendet", "Gesendet von Outlook für iOS", "Von meinem Samsung Galaxy Smartphone gesendet.", "Diese Nachricht wurde von meinem Android-Gerät mit K-9 Mail gesendet.", "Gesendet mit der mobilen Mail App", "Envoyé de mon iPhone", "Envoyé depuis mon appareil Galaxy", "Enviado desde mi iPhone", "Enviado desde mi Samsung Galaxy", "Inviato da iPhone", "Inviato dal mio Galaxy", "Enviado do meu iPhone", "Enviado do meu Galaxy",
		"Verstuurd vanaf mijn iPhone", "Verzonden vanaf mijn Galaxy", "Skickat från min iPhone", "Sendt fra min iPhone", "Sendt fra min Galaxy", "Lähetetty iPhonesta", "Wysłane z iPhone'a", "Wysłano z mojego Galaxy", "Odesláno z iPhonu", "Odoslané z iPhonu", "Elküldve az iPhone-omról", "Trimis de pe iPhone-ul meu", "iPhone'umdan gönderildi",
		"Отправлено с iPhone", "Отправлено из Почты Mail.ru", "Отправлено из мобильной Яндекс Почты", "Надіслано з iPhone", "Изпратено от моя iPhone", "Στάλθηκε από το iPhone μου", "נשלח מה-iPhone שלי", "تم الإرسال من الـ iPhone الخاص بي", "iPhoneから送信", "发自我的iPhone", "發自我的 iPhone", "從我的iPhone傳送", "나의 iPhone에서 보냄", "Đã gửi từ iPhone của tôi", "Dikirim dari iPhone saya", "ส่งจาก iPhone ของฉัน", "Poslano s mog iPhonea", "Poslano z mojega iPhona", "Enviat des del meu iPhone",
	} {
		for _, tail := range []string{"", "\n\nOn Mon, Mar 2, 2026 at 10:00 AM Ben <ben@x.example> wrote:\n> Really?"} {
			if got := reply("It is cold.\n\n"+l+tail, false); got != "It is cold." {
				t.Errorf("%q: %q", l, got)
			}
		}
	}
	for _, l := range []string{
		"Sent from my desk, where it is cold.", "Sent from my desk I see the mountains.", "Sent from my phone I cannot open it.", "I sent it from my iPhone.", "Get Outlook to work, please.", "Inviato il pacco ieri.", "Give my regards to Anna.", "Best wishes to your wife!", "Regards the heating: it is broken.",
		"From my iPhone nothing can be sent.", "Please keep this confidential.", "This message is for Ben, who is confidential with the owner?", "PS: Bring the key.",
	} {
		for _, before := range []string{"It is cold.\n\n", "It is cold.\n\nBest regards,\nMaria\n\n"} {
			if got := reply(before+l, false); got != before+l {
				t.Errorf("%q: %q", before+l, got)
			}
		}
	}
}

// TestClosings: a closing phrase and a name below it are a signature; with a sentence below it they are not.
func TestClosings(t *testing.T) {
	for _, c := range []string{
		"Best regards,", "Kind regards", "Regards,", "Best,", "All the best,", "Sincerely,", "Yours sincerely,", "Cheers,", "Mit freundlichen Grüßen", "Viele Grüße", "LG", "Beste Grüße aus Köln", "Cordialement,", "Bien cordialement", "Saludos cordiales,", "Atentamente,", "Cordiali saluti", "Distinti saluti,", "Met vriendelijke groet,", "Atenciosamente,", "Com os melhores cumprimentos",
		"Med vänliga hälsningar", "Med venlig hilsen", "Med vennlig hilsen", "Ystävällisin terveisin", "Z poważaniem", "Pozdrawiam", "S pozdravem", "S pozdravom", "Üdvözlettel,", "Cu stimă,", "Saygılarımla", "С уважением,", "З повагою,", "Με εκτίμηση,", "בברכה,", "مع التحيات", "此致", "敬具", "Trân trọng,", "Hormat kami,",
	} {
		if got := reply("It is cold.\n\n"+c+"\nMaria Kovács\nOffice Manager\nTel. +49 221 123", false); got != "It is cold." {
			t.Errorf("%s: %q", c, got)
		}
		for _, more := range []string{"Please bring the key.", "PS: the key!", "Could you call?", "we will be away until the end of the month"} {
			text := "It is cold.\n\n" + c + "\nMaria\n\n" + more
			if got := reply(text, false); got != text {
				t.Errorf("%s: %q", c, got)
			}
		}
	}
	for _, d := range []string{
		"This e-mail and any files transmitted with it are confidential and intended solely for the use of the individual to whom they are addressed.",
		"Diese E-Mail enthält vertrauliche und rechtlich geschützte Informationen. Wenn Sie nicht der richtige Adressat sind, informieren Sie bitte den Absender.",
		"Ce message et toutes les pièces jointes sont confidentiels et établis à l'intention exclusive de leur destinataire.",
		"Este mensaje se dirige exclusivamente a su destinatario y puede contener información privilegiada o confidencial.",
	} {
		if got := reply("It is cold.\n\nBest regards,\nMaria\n\n"+d, false); got != "It is cold." {
			t.Errorf("%q", got)
		}
	}
}

// TestReplyKeeps: whatever stands around it, no line of the sender's own is lost.
func TestReplyKeeps(t *testing.T) {
	own := []string{"The boiler makes a noise.", "Yes: on Tuesday at 10:00, please.", "I wrote to Ben on 2 March 2026 and he said so.", "To: be or not to be, that is my question.", "> ", "-- no signature, just a dash", "We told ben@x.example on 02.03.2026 at 10:00, and he laughed.", "From Monday on it is cold.", "1. first", "* a point", "Original message or not, I want an answer.", "Thanks", "Maria"}
	quote := []string{"On Mon, Mar 2, 2026 at 10:00 AM Ben <ben@x.example> wrote:\n> Q1", "> Q2\n> Q3", "", "Ben wrote:\n> Q4", "Am 02.03.26 um 10:00 schrieb Ben:\n> Q5\n>> Q6", "\n"}
	for seed := range uint64(500) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var parts, mine []string
		for range 2 + rnd.IntN(5) {
			if rnd.IntN(2) == 0 {
				parts = append(parts, quote[rnd.IntN(len(quote))], "")
				continue
			}
			o := own[rnd.IntN(len(own))]
			mine = append(mine, strings.TrimSpace(strings.Trim(o, ">")))
			parts = append(parts, o, "")
		}
		text := strings.Join(parts, "\n")
		got := reply(text, false)
		for _, o := range mine {
			if !strings.Contains(got, o) {
				t.Fatalf("%q is lost:\n%s\n---\n%s", o, text, got)
			}
		}
	}
}

func FuzzReply(f *testing.F) {
	for _, s := range []string{
		"Yes.\n\nOn Mon, 2 Mar 2026 at 10:00, Ben <ben@x.example> wrote:\n> Really?\n",
		"> a\nb\n> c\nd\n-- \nme",
		"x\n-----Original Message-----\nFrom: a\nTo: b\nSubject: c\n\nd",
		"Am 02.03.26 um 10:00 schrieb Ben:\n> a\n\nSent from my iPhone",
	} {
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, s string, forward bool) {
		s = cleanText(s)
		got := reply(s, forward)
		if !utf8.ValidString(got) || strings.IndexFunc(got, unwanted) >= 0 {
			t.Errorf("reply(%q) = %q", s, got)
		}
		if strings.TrimSpace(s) != "" && strings.TrimSpace(got) == "" {
			t.Errorf("reply(%q) is empty", s)
		}
		// every line of it is one of the text's
		for l := range strings.SplitSeq(got, "\n") {
			if !strings.Contains(s, strings.TrimSpace(l)) && !strings.Contains(plainMarkdown(strings.Join(strings.Fields(s), " ")), strings.TrimSpace(l)) && !strings.Contains(s, "](") && !strings.Contains(s, "*") {
				t.Errorf("reply(%q) invents %q", s, l)
			}
		}
		forwardedSender(s)
	})
}

// TestMarkedQuotes: a marked quote ends where its element does, also when another begins or ends there.
func TestMarkedQuotes(t *testing.T) {
	for html, want := range map[string]string{
		`<p>Hello</p><div class="protonmail_quote">a</div><div class="protonmail_quote">b</div><p>Yes</p>`:                               "Hello\n\nYes",
		`<p>Hello</p><div class="protonmail_quote"></div><p>Yes</p><div class="protonmail_quote">b</div><p>No</p>`:                       "Hello\n\nYes\n\nNo",
		`<p>Hello</p><div class="protonmail_quote"><div class="protonmail_quote">a</div>b</div><p>Yes</p>`:                               "Hello\n\nYes",
		`<p>Hello</p><div class="gmail_signature"></div><div class="gmail_signature">Ben</div><div class="gmail_signature"></div><p>Yes`: "Hello\n\nYes",
	} {
		m := Parse(strings.NewReader("From: a@x.example\nContent-Type: text/html\n\n"+html), Options{})
		if m.Reply != want {
			t.Errorf("%s: %q, want %q", html, m.Reply, want)
		}
	}
}
