package message

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// attributions are the lines that mail programs put above what is answered, as each writes them in
// each language. @ stands for an address, N for a name.
var attributions = map[string][]string{
	"gmail": {
		`On Mon, Mar 2, 2026 at 10:00 AM N <@> wrote:`,
		`On Mon, 2 Mar 2026 at 10:00, N <@> wrote:`,
		`On Mon, Mar 2, 2026, 10:00 AM N <@> wrote:`,
		`Am Mo., 2. März 2026 um 10:00 Uhr schrieb N <@>:`,
		`N <@> schrieb am Mo., 2. März 2026, 10:00:`,
		`Le lun. 2 mars 2026 à 10:00, N <@> a écrit :`,
		`El lun, 2 mar 2026 a las 10:00, N (<@>) escribió:`,
		`Il giorno lun 2 mar 2026 alle ore 10:00 N <@> ha scritto:`,
		`Em seg., 2 de mar. de 2026 às 10:00, N <@> escreveu:`,
		`N <@> escreveu (segunda, 2/03/2026 à(s) 10:00):`,
		`Op ma 2 mrt 2026 om 10:00 schreef N <@>:`,
		`Den mån 2 mars 2026 kl 10:00 skrev N <@>:`,
		`Den man. 2. mar. 2026 kl. 10.00 skrev N <@>:`,
		`man. 2. mars 2026 kl. 10:00 skrev N <@>:`,
		`ma 2. maalisk. 2026 klo 10.00 N (@) kirjoitti:`,
		`pon., 2 mar 2026 o 10:00 N <@> napisał(a):`,
		`po 2. 3. 2026 v 10:00 odesílatel N <@> napsal:`,
		`po 2. 3. 2026 o 10:00 N <@> napísal(a):`,
		`N <@> ezt írta (időpont: 2026. márc. 2., H, 10:00):`,
		`În lun., 2 mar. 2026 la 10:00, N <@> a scris:`,
		`N <@>, 2 Mar 2026 Pzt, 10:00 tarihinde şunu yazdı:`,
		`пн, 2 мар. 2026 г. в 10:00, N <@>:`,
		`пн, 2 бер. 2026 р. о 10:00 N <@> пише:`,
		`На пн, 2.03.2026 г. в 10:00 N <@> написа:`,
		`Στις Δευ 2 Μαρ 2026 στις 10:00 π.μ., ο/η N <@> έγραψε:`,
		"\u202bבתאריך יום ב׳, 2 במרץ 2026 ב-10:00 מאת \u202aN\u202c\u200f <\u202a@\u202c\u200f>:\u202c",
		"في الاثنين، 2 مارس 2026 في 10:00 ص تمت كتابة ما يلي بواسطة \u202aN\u202c\u200f <\u202a@\u202c\u200f>:",
		"در تاریخ دوشنبه 2 مارس 2026،\u200f 10:00 N <@> نوشت:",
		`2026年3月2日(月) 10:00 N <@>:`,
		`N <@> 于2026年3月2日周一 10:00写道：`,
		`N <@> 於 2026年3月2日 週一 上午10:00寫道：`,
		`2026년 3월 2일 (월) 오전 10:00, N <@>님이 작성:`,
		`Vào Th 2, 2 thg 3, 2026 vào lúc 10:00 N <@> đã viết:`,
		`Pada tanggal Sen, 2 Mar 2026 pukul 10.00 N <@> menulis:`,
		`ในวันที่ จ. 2 มี.ค. 2026 เวลา 10:00 N <@> เขียนว่า:`,
		`pon, 2. ožu 2026. u 10:00 N <@> napisao je:`,
		`пон, 2. мар 2026. у 10:00 N <@> је написао/ла:`,
		`V V pon., 2. mar. 2026 ob 10:00 je oseba N <@> napisala:`,
		`2026-03-02, pr, 10:00 N <@> rašė:`,
		`Pirmd., 2026. g. 2. marts, plkst. 10:00 — lietotājs N (<@>) rakstīja:`,
		`Kuupäev E, 2. märts 2026 kell 10:00 kirjutas kasutaja N (<@>):`,
		`Missatge de N <@> del dia dl., 2 de març 2026 a les 10:00:`,
		`सोम, 2 मार्च 2026 को 10:00 am बजे को N <@> ने लिखा:`,
	},
	"apple": {
		`On 2 Mar 2026, at 10:00, N <@> wrote:`,
		`On Mar 2, 2026, at 10:00 AM, N <@> wrote:`,
		`On Mar 2, 2026, at 10:00 AM, N via Help Desk <@> wrote:`,
		`Am 02.03.2026 um 10:00 schrieb N <@>:`,
		`Le 2 mars 2026 à 10:00, N <@> a écrit :`,
		`El 2 mar 2026, a las 10:00, N <@> escribió:`,
		`Il giorno 2 mar 2026, alle ore 10:00, N <@> ha scritto:`,
		`Op 2 mrt. 2026 om 10:00 heeft N <@> het volgende geschreven:`,
		`Em 2 de mar. de 2026, à(s) 10:00, N <@> escreveu:`,
		`No dia 02/03/2026, às 10:00, N <@> escreveu:`,
		`2 mars 2026 kl. 10:00 skrev N <@>:`,
		`Den 2. mar. 2026 kl. 10.00 skrev N <@>:`,
		`N <@> kirjoitti 2.3.2026 kello 10.00:`,
		`Wiadomość napisana przez N <@> w dniu 2 mar 2026, o godz. 10:00:`,
		`2. 3. 2026 v 10:00, N <@>:`,
		`2026. márc. 2. dátummal, 10:00 időpontban N <@> írta:`,
		`Pe 2 mar. 2026, la 10:00, N <@> a scris:`,
		`N <@> şunları yazdı (2 Mar 2026 10:00):`,
		`2 марта 2026 г., в 10:00, N <@> написал(а):`,
		`Στις 2 Μαρ 2026, στις 10:00, ο χρήστης N <@> έγραψε:`,
		`2026/03/02 10:00、N <@>のメール:`,
		`在 2026年3月2日，10:00，N <@> 写道：`,
		`N <@> 於 2026年3月2日 上午10:00 寫道：`,
		`2026. 3. 2. 오전 10:00, N <@> 작성:`,
		`ב-2 במרץ 2026, בשעה 10:00, N <@> כתב/ה:`,
		`في ٢ مارس ٢٠٢٦، الساعة ١٠:٠٠، كتب/كتبت N <@>:`,
		`Vào 10:00, 2 thg 3, 2026, N <@> đã viết:`,
		`Pada 2 Mar 2026 10.00, N <@> menulis:`,
	},
	"thunderbird": {
		`On 02/03/2026 10:00, N wrote:`,
		`On 3/2/26 10:00 AM, N wrote:`,
		`Am 02.03.26 um 10:00 schrieb N:`,
		`Le 02/03/2026 à 10:00, N a écrit :`,
		`El 02/03/2026 a las 10:00, N escribió:`,
		`Il 02/03/2026 10:00, N ha scritto:`,
		`Op 02-03-2026 om 10:00 schreef N:`,
		`Em 02/03/2026 10:00, N escreveu:`,
		`Às 10:00 de 02/03/2026, N escreveu:`,
		`Den 2026-03-02 kl. 10:00, skrev N:`,
		`Den 02.03.2026 kl. 10.00 skrev N:`,
		`Den 02.03.2026 10:00, skrev N:`,
		`N kirjoitti 2.3.2026 klo 10.00:`,
		`W dniu 02.03.2026 o 10:00, N pisze:`,
		`Dne 02. 03. 26 v 10:00 N napsal(a):`,
		`Dňa 2. 3. 2026 o 10:00 N napísal(a):`,
		`2026. 03. 02. 10:00 keltezéssel, N írta:`,
		`La 02.03.2026 10:00, N a scris:`,
		`02.03.2026 10:00 tarihinde N yazdı:`,
		`02.03.2026 10:00, N пишет:`,
		`02.03.26 10:00, N пише:`,
		`Στις 2/3/2026 10:00, ο/η N έγραψε:`,
		`在 2026/3/2 10:00, N 写道:`,
		`N 於 2026/3/2 上午 10:00 寫道:`,
		`2026-03-02 오전 10:00에 N 이(가) 쓴 글:`,
		`Vào 02/03/2026 lúc 10:00, N đã viết:`,
		`Pada 02/03/2026 10:00, N menulis:`,
		`Dana 02. 03. 2026. u 10:00, N je napisao/la:`,
		`בתאריך 02/03/2026 בשעה 10:00, N כתב:`,
		`El 2/3/26 a les 10:00, N ha escrit:`,
	},
	"yahoo": {
		`On Monday, March 2, 2026 at 10:00:00 AM GMT+1, N <@> wrote:`,
		`On Monday, March 2, 2026, 10:00 AM, N <@> wrote:`,
		`Am Montag, 2. März 2026 um 10:00:00 MEZ hat N <@> Folgendes geschrieben:`,
		`Le lundi 2 mars 2026 à 10:00:00 UTC+1, N <@> a écrit :`,
		`El lunes, 2 de marzo de 2026, 10:00:00 CET, N <@> escribió:`,
		`Il lunedì 2 marzo 2026 alle ore 10:00:00 CET, N <@> ha scritto:`,
		`Em segunda-feira, 2 de março de 2026 às 10:00:00 BRT, N <@> escreveu:`,
		`Op maandag 2 maart 2026 om 10:00:00 CET schreef N <@>:`,
	},
	"others": {
		`On 2 March 2026 10:00:00 CET, N <@> wrote:`,           // K-9
		`Am 2. März 2026 10:00:00 MEZ schrieb N <@>:`,          // K-9
		`On Mon, Mar 02, 2026 at 10:00:00AM +0100, N wrote:`,   // mutt
		`* N <@> [2026-03-02 10:00:00 +0100]:`,                 // mutt
		`On 2026-03-02 10:00, N wrote:`,                        // Roundcube
		`Am 2026-03-02 10:00, schrieb N:`,                      // Roundcube
		`Le 2026-03-02 10:00, N a écrit :`,                     // Roundcube
		`On Monday, March 2nd, 2026 at 10:00 AM, N <@> wrote:`, // ProtonMail
		`Le lundi 2 mars 2026 à 10:00, N <@> a écrit :`,        // ProtonMail
		`Mar 2, 2026, 10:00 by @:`,                             // Tuta
		`2. März 2026, 10:00 von @:`,                           // Tuta
		`02.03.2026, 10:00, "N" <@>:`,                          // Yandex
		`Понедельник, 2 марта 2026, 10:00 +03:00 от N <@>:`,    // mail.ru
		`At 2026-03-02 10:00:00, "N" <@> wrote:`,               // 163
		`在 2026-03-02 10:00:00，"N" <@> 写道：`,                    // 163
		`On Mar 2, 2026, 10:00 AM +0100, N <@>, wrote:`,        // Spark
		`On Mon, Mar 02, 2026 at 10:00 AM, N < @ > wrote:`,     // Superhuman
		`On Mar 2 2026, at 10:00 am, N <@> wrote:`,             // Mailspring
		`Monday, March 2, 2026, 10:00:00 AM, you wrote:`,       // The Bat!
		`Quoting N <@>:`,   // Horde
		`Zitat von N <@>:`, // Horde
		`N <@> writes:`,    // Gnus
		`N <@> wrote on Mon [2026-Mar-02 10:00:00 +0100]:`,             // BSD mail
		`"N" <@> hat am 02.03.2026 10:00 CET geschrieben:`,             // Open-Xchange
		`On 03/02/2026 10:00 AM CET N <@> wrote:`,                      // Open-Xchange
		`Gesendet: Montag, 02. März 2026 um 10:00 Uhr schrieb N <@>:`,  // GMX
		`On Monday 02 March 2026 10:00:00 N wrote:`,                    // KMail
		`Am Montag, 2. März 2026, 10:00:00 CET schrieb N:`,             // KMail
		`On Mon, 2026-03-02 at 10:00 +0100, N wrote:`,                  // Evolution
		`Am Montag, dem 02.03.2026 um 10:00 +0100 schrieb N:`,          // Evolution
		`Le lundi 02 mars 2026 à 10:00 +0100, N a écrit :`,             // Evolution
		`On Mon, 2 Mar 2026 10:00:00 +0100 N <@> wrote:`,               // Claws, Sylpheed
		`>>> N <@> 02.03.2026 10:00 >>>`,                               // GroupWise
		`---- On Mon, 02 Mar 2026 10:00:00 +0100 N <@> wrote ----`,     // Zoho
		`---- El lun, 02 mar 2026 10:00:00 +0100, N <@> escribió ----`, // Zoho
		`---- Am Mo., 02 März 2026 10:00:00 +0100 schrieb N <@> ----`,  // Zoho
		`-----N/ACME wrote: -----`,                                     // Notes
		`"N" @ – 2 March 2026 10:00`,                                   // Nextcloud
	},
}

// TestAttributions: whatever the program and the language, an answer above, below or between is
// found; wrapped, on Apple's quoted line, on the answer's own line, and in HTML.
func TestAttributions(t *testing.T) {
	n := 0
	for client, list := range attributions {
		for _, a := range list {
			for _, name := range []string{"Ben", "Benjamin Özgür-Smith (Help)", "李明"} {
				line := strings.NewReplacer("N", "N", "@", "ben.smith@help.team.example").Replace(a)
				line = putName(line, name)
				for form, text := range map[string]string{
					"above":   "Yes, that is fine.\n\n" + line + "\n> Shall we come?\n> On Tuesday?",
					"blank":   "Yes, that is fine.\n\n" + line + "\n\n> Shall we come?\n>\n> On Tuesday?\n",
					"wrapped": "Yes, that is fine.\n\n" + wrapped(line, 50) + "\n> Shall we come?\n",
					"below":   line + "\n> Shall we come?\n\nYes, that is fine.",
					"between": line + "\n> Shall we come?\n\nYes, that is fine.\n\n> On Tuesday?",
					"apple":   "Yes, that is fine.\n\n> " + line + "\n> \n> Shall we come?",
				} {
					n++
					if got := reply(text, false); got != "Yes, that is fine." {
						t.Errorf("%s, %s: %q\n of %q", client, form, got, text)
					}
				}
				rich := `<div>Yes, that is fine.</div><br><div>` + html.EscapeString(line) + `</div><blockquote type="cite"><div>Shall we come?</div><div><br></div><div>On Tuesday?</div></blockquote>`
				n++
				if got := reply(htmlText(sanitise(rich)), false); got != "Yes, that is fine." {
					t.Errorf("%s, HTML: %q\n of %q", client, got, rich)
				}
			}
		}
	}
	t.Log(n, "texts")
}

// TestUnquoted: the attributions of programs that do not mark the lines of what they quote.
func TestUnquoted(t *testing.T) {
	for client, list := range attributions {
		for _, a := range list {
			line := putName(strings.ReplaceAll(a, "@", "ben@team.example"), "Ben Smith")
			if !anAddress.MatchString(line) || !strings.Contains(line, "10:00") && !strings.Contains(line, "10.00") || endsInTime(line) {
				continue // as good as prose
			}
			text := "Yes, that is fine.\n\n" + line + "\n\nShall we come?\n\nOn Tuesday?\n"
			if got := reply(text, false); got != "Yes, that is fine." {
				t.Errorf("%s: %q\n of %q", client, got, text)
			}
		}
	}
}

// putName puts a name for each N that is a word.
func putName(s, name string) string {
	var b strings.Builder
	for i, r := range s {
		alone := func(j int) bool {
			return j < 0 || j >= len(s) || (s[j] < 'a' || s[j] > 'z') && (s[j] < 'A' || s[j] > 'Z')
		}
		if r == 'N' && alone(i-1) && alone(i+1) {
			b.WriteString(name)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// wrapped breaks a line at blanks.
func wrapped(s string, width int) string {
	var b strings.Builder
	n := 0
	if strings.HasPrefix(s, "---") {
		return s // such rulers stay whole
	}
	for i, w := range strings.Split(s, " ") {
		if i > 0 && n+1+len(w) > width && w != ">" {
			b.WriteByte('\n')
			n = 0
		} else if i > 0 {
			b.WriteByte(' ')
			n++
		}
		fmt.Fprint(&b, w)
		n += len(w)
	}
	return b.String()
}
