package message

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"
	"sync"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/gogs/chardet"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
)

// decodeText turns bytes labelled with a charset into UTF-8. A label is a claim: it is believed
// as far as the bytes agree with it. hint is a second guess, for bytes without a usable label (the
// charset of the mail's text, for its header).
//
// The result is valid UTF-8 but may hold controls. known is false if the label names no charset.
func decodeText(b []byte, label, hint string) (text string, known bool) {
	cs := charsetOf(label)
	known = cs != nil || strings.TrimSpace(label) == ""
	if t, ok := byOrderMark(b); ok {
		return t, known
	}
	if isASCII(b) && (cs == nil || cs.ascii) {
		if bytes.IndexByte(b, 0x1b) < 0 {
			return string(b), known
		}
		if jis := looks2022(b); jis != nil {
			return jis(b), known
		}
		return string(b), known
	}
	if cs != nil && cs.seven && !isASCII(b) {
		cs = nil // eight-bit bytes are no UTF-7
	}
	if cs == nil || cs.unicode || cs.claimsNothing {
		b = joinSurrogates(b)
	}
	utf := utf8Quality(b)
	switch {
	case cs == nil || cs.claimsNothing:
		// us-ascii or nothing over eight-bit bytes: said by programs that do not know better
		if utf == utf8Whole {
			return string(b), known
		}
		if h := charsetOf(hint); h != nil && !h.claimsNothing && !h.unicode {
			if t := h.decode(b); !strings.ContainsRune(t, utf8.RuneError) {
				return t, known
			}
		}
	case cs.unicode: // utf-8
	case cs.single:
		// Eight-bit text that happens to be UTF-8 from end to end is UTF-8.
		if utf == utf8Whole {
			return string(b), known
		}
		return cs.decode(b), known
	default:
		t := cs.decode(b)
		if utf == utf8Whole && (surelyUTF8(b) || !isASCII(b) && strings.ContainsRune(t, utf8.RuneError)) {
			return string(b), known
		}
		return t, known
	}
	if utf >= utf8Mostly {
		return mendUTF8(b), known
	}
	return guess(b), known
}

// charset is one way to read bytes.
type charset struct {
	decode        func([]byte) string
	ascii         bool // ASCII bytes stand for themselves
	single        bool // one byte, one character
	unicode       bool // UTF-8
	claimsNothing bool // us-ascii and the like
	seven         bool // bytes below 0x80 only
}

func charsetOf(label string) *charset {
	key := squeeze(label)
	if key == "" {
		return nil
	}
	if len(key) > 40 {
		return nil
	}
	charsetsOnce.Do(fillCharsets)
	if cs := charsets[key]; cs != nil {
		return cs
	}
	enc, err := htmlindex.Get(strings.ToLower(strings.TrimSpace(label)))
	if err != nil || enc == encoding.Replacement || enc == unicode.UTF8 {
		return nil
	}
	cs := ofEncoding(enc)
	_, cs.single = enc.(*charmap.Charmap)
	return cs
}

// squeeze makes misspelt labels alike: utf8, UTF_8, "utf-8", utf 8 and x-utf-8.
func squeeze(label string) string {
	var b strings.Builder
	for i := 0; i < len(label) && b.Len() <= 40; i++ {
		switch c := label[i]; {
		case 'A' <= c && c <= 'Z':
			b.WriteByte(c + 32)
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			b.WriteByte(c)
		case c == '*': // a language, RFC 2231 §5
			return b.String()
		}
	}
	s := b.String()
	if rest, ok := strings.CutPrefix(s, "x"); ok && charsetFamily(rest) {
		return rest
	}
	return s
}

func charsetFamily(s string) bool {
	for _, p := range []string{"utf", "iso", "windows", "cp", "gb", "euc", "sjis", "big5", "shift", "koi"} {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

func ofEncoding(e encoding.Encoding) *charset {
	return &charset{ascii: true, decode: func(b []byte) string {
		t, err := e.NewDecoder().Bytes(b)
		if err != nil {
			return strings.ToValidUTF8(string(t), "\ufffd")
		}
		return string(t)
	}}
}

// ofBytes decodes bytes each of which is a character.
func ofBytes(character func(byte) rune) func([]byte) string {
	var table [256]rune
	for c := range table {
		table[c] = character(byte(c))
	}
	return func(b []byte) string {
		var s strings.Builder
		s.Grow(len(b) + len(b)/4)
		for _, c := range b {
			if r := table[c]; r < utf8.RuneSelf {
				s.WriteByte(byte(r))
			} else {
				s.WriteRune(r)
			}
		}
		return s.String()
	}
}

var (
	charsetsOnce sync.Once
	charsets     map[string]*charset
)

// fillCharsets names what mail calls charsets beyond the WHATWG labels. Where a label's own
// repertoire is smaller than what is sent under it (gb2312, iso-8859-1, ks_c_5601), the larger
// one of the same family is meant.
func fillCharsets() {
	charsets = map[string]*charset{}
	add := func(cs *charset, labels string) {
		for l := range strings.FieldsSeq(labels) {
			charsets[l] = cs
		}
	}
	single := func(m *charmap.Charmap, labels string) {
		add(&charset{ascii: true, single: true, decode: ofBytes(m.DecodeByte)}, labels)
	}
	// Where ISO 8859 has C1 controls, which no text holds, Windows has quotes and dashes and the euro.
	iso := func(m, windows *charmap.Charmap, labels string) {
		add(&charset{ascii: true, single: true, decode: ofBytes(func(c byte) rune {
			if 0x80 <= c && c < 0xa0 {
				return windows.DecodeByte(c)
			}
			return m.DecodeByte(c)
		})}, labels)
	}
	add(&charset{ascii: true, unicode: true, decode: mendUTF8},
		"utf8 utf8mb4 unicode11utf8 unicode20utf8 unicode utf8n utfutf8 cputf8 cp65001 65001 utf charsetutf8")
	add(&charset{ascii: true, claimsNothing: true, decode: mendUTF8},
		`usascii ascii ansix341968 ansix341986 iso646us isoir6 us 7bit 8bit unknown8bit xunknown
		unknown default defaultcharset none binary ansix31101983 x8bit xuserdefined`)

	single(charmap.Windows1252, `iso88591 88591 iso885911987 latin1 l1 cp1252 windows1252 win1252 ansi
		westerneuropean iso8859 windows western isoir100 ibm819 cp819 iso885911998 iso88591windows1252 1252 iso88591windows`)
	iso(charmap.ISO8859_15, charmap.Windows1252, "iso885915 885915 latin9 latin0 iso885915fdis iso8859150")
	iso(charmap.ISO8859_2, charmap.Windows1250, "iso88592 88592 latin2 l2 iso885921987 iso885921999")
	iso(charmap.ISO8859_3, charmap.Windows1252, "iso88593 88593 latin3 l3")
	iso(charmap.ISO8859_4, charmap.Windows1257, "iso88594 88594 latin4 l4")
	iso(charmap.ISO8859_5, charmap.Windows1251, "iso88595 88595 cyrillic")
	iso(charmap.ISO8859_6, charmap.Windows1256, "iso88596 88596 arabic iso88596i iso88596e")
	iso(charmap.ISO8859_7, charmap.Windows1253, "iso88597 88597 greek greek8")
	iso(charmap.ISO8859_8, charmap.Windows1255, "iso88598 88598 hebrew iso88598i iso88598e visual")
	single(charmap.Windows1254, "iso88599 88599 latin5 l5 cp1254 windows1254 win1254 turkish")
	iso(charmap.ISO8859_10, charmap.Windows1252, "iso885910 latin6 l6")
	iso(charmap.ISO8859_13, charmap.Windows1257, "iso885913 latin7")
	iso(charmap.ISO8859_14, charmap.Windows1252, "iso885914 latin8")
	iso(charmap.ISO8859_16, charmap.Windows1250, "iso885916 latin10")
	single(charmap.Windows874, "iso885911 tis620 tis6200 windows874 cp874 thai")
	single(charmap.Windows1250, "windows1250 cp1250 win1250 xcp1250")
	single(charmap.Windows1251, "windows1251 cp1251 win1251 xcp1251 1251")
	single(charmap.Windows1253, "windows1253 cp1253 win1253")
	single(charmap.Windows1255, "windows1255 cp1255 win1255")
	single(charmap.Windows1256, "windows1256 cp1256 win1256")
	single(charmap.Windows1257, "windows1257 cp1257 win1257")
	single(charmap.Windows1258, "windows1258 cp1258 win1258")
	single(charmap.CodePage037, "cp037 ibm037")
	single(charmap.KOI8R, "koi8r koi8 koi")
	single(charmap.KOI8U, "koi8u koi8ru")
	single(charmap.CodePage437, "cp437 ibm437 437")
	single(charmap.CodePage850, "cp850 ibm850 850")
	single(charmap.CodePage852, "cp852 ibm852 852")
	single(charmap.CodePage855, "cp855 ibm855")
	single(charmap.CodePage858, "cp858 ibm858")
	single(charmap.CodePage860, "cp860 ibm860")
	single(charmap.CodePage862, "cp862 ibm862")
	single(charmap.CodePage863, "cp863 ibm863")
	single(charmap.CodePage865, "cp865 ibm865")
	single(charmap.CodePage866, "cp866 ibm866 866")
	single(charmap.Macintosh, "macintosh mac macroman xmacroman")
	single(charmap.MacintoshCyrillic, "maccyrillic xmaccyrillic xmacukrainian")

	add(ofEncoding(simplifiedchinese.GB18030), "gb2312 gb231280 gbk gb18030 cp936 936 ms936 windows936 euccn csgb2312 chinese gb231280 gb 2312 gbk2312 isoir58")
	hz := ofEncoding(simplifiedchinese.HZGB2312)
	hz.ascii = false
	add(hz, "hzgb2312 hz")
	add(ofEncoding(traditionalchinese.Big5), "big5 big5hkscs cp950 950 ms950 windows950 csbig5 cnbig5 xxbig5 big5eten")
	add(ofEncoding(japanese.ShiftJIS), "shiftjis sjis cp932 932 ms932 windows31j windows932 mskanji csshiftjis cswindows31j xsjis sjiswin")
	add(ofEncoding(japanese.EUCJP), "eucjp ujis xeucjp cseucpkdfmtjapanese eucjpms eucjpwin cp51932")
	add(ofEncoding(korean.EUCKR), "euckr ksc5601 ksc56011987 ksc56011989 ksc5601992 cp949 949 ms949 windows949 uhc korean kscc5601 cseuckr ks5601 csksc56011987 isoir149")
	add(&charset{decode: jis2022}, "iso2022jp iso2022jp1 iso2022jp2 iso2022jp3 iso2022jp2004 iso2022jpms csiso2022jp cp50220 cp50221 cp50222 50220 50221 jis junet")
	add(&charset{decode: kr2022}, "iso2022kr csiso2022kr")
	add(&charset{decode: utf7, seven: true}, "utf7 unicode11utf7 unicode20utf7 csunicode11utf7 cp65000")
	add(&charset{decode: wide(2, nil)}, "utf16 ucs2 iso10646ucs2 csunicode")
	add(&charset{decode: wide(2, binary.LittleEndian)}, "utf16le unicodefffe ucs2le")
	add(&charset{decode: wide(2, binary.BigEndian)}, "utf16be ucs2be")
	add(&charset{decode: wide(4, nil)}, "utf32 ucs4 iso10646ucs4")
	add(&charset{decode: wide(4, binary.LittleEndian)}, "utf32le")
	add(&charset{decode: wide(4, binary.BigEndian)}, "utf32be")
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// joinSurrogates makes one character of two surrogates that were encoded one by one, as programs do
// that take UTF-16 for characters (CESU-8).
func joinSurrogates(b []byte) []byte {
	half := func(p []byte) (rune, bool) {
		if len(p) < 3 || p[0] != 0xed || p[1] < 0xa0 || p[1] > 0xbf || p[2]&0xc0 != 0x80 {
			return 0, false
		}
		return 0xd000 | rune(p[1]&0x3f)<<6 | rune(p[2]&0x3f), true
	}
	for i := 0; i+6 <= len(b); i++ {
		hi, ok := half(b[i:])
		if !ok {
			continue
		}
		lo, ok := half(b[i+3:])
		r := utf16.DecodeRune(hi, lo)
		if !ok || r == utf8.RuneError {
			continue
		}
		out := utf8.AppendRune(bytes.Clone(b[:i]), r)
		for rest := b[i+6:]; len(rest) > 0; {
			if hi, ok := half(rest); ok {
				if lo, ok := half(rest[3:]); ok && utf16.DecodeRune(hi, lo) != utf8.RuneError {
					out, rest = utf8.AppendRune(out, utf16.DecodeRune(hi, lo)), rest[6:]
					continue
				}
			}
			out, rest = append(out, rest[0]), rest[1:]
		}
		return out
	}
	return b
}

const (
	utf8No     = iota
	utf8Mostly // a few bytes are broken
	utf8Whole
)

// utf8Quality tells how far bytes that are not all ASCII are UTF-8.
func utf8Quality(b []byte) int {
	if utf8.Valid(b) {
		return utf8Whole
	}
	good, bad := 0, 0
	for len(b) > 0 {
		if b[0] < 0x80 {
			b = b[1:]
			continue
		}
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n <= 1 {
			if len(b) < 4 && !utf8.FullRune(b) {
				break // cut off in the last character
			}
			bad++
		} else {
			good++
		}
		b = b[n:]
	}
	if good > 0 && bad*3 <= good {
		return utf8Mostly
	}
	return utf8No
}

// surelyUTF8 tells whether valid UTF-8 holds so many long characters that it is no accident of
// another charset with characters of two bytes.
func surelyUTF8(b []byte) bool {
	sum := 0
	for i := 0; i < len(b); {
		_, n := utf8.DecodeRune(b[i:])
		i += n
		switch {
		case n >= 3:
			sum += 4
		case n == 2:
			sum++
		}
		if sum >= 8 {
			return true
		}
	}
	return false
}

// mendUTF8 reads bytes as UTF-8. A lone letter of Latin-1 among them (a footer that some list
// server put below) is that letter.
func mendUTF8(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var s strings.Builder
	s.Grow(len(b) + len(b)/16)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			if len(b) < 4 && !utf8.FullRune(b) {
				break
			}
			if b[0] >= 0xc0 {
				s.WriteRune(rune(b[0]))
			} else {
				s.WriteRune(utf8.RuneError)
			}
		} else {
			s.Write(b[:n])
		}
		b = b[n:]
	}
	return s.String()
}

func byOrderMark(b []byte) (string, bool) {
	switch {
	case bytes.HasPrefix(b, []byte{0xef, 0xbb, 0xbf}):
		if utf8Quality(b) != utf8No {
			return mendUTF8(b[3:]), true
		}
	case len(b) >= 4 && (bytes.HasPrefix(b, []byte{0xff, 0xfe}) || bytes.HasPrefix(b, []byte{0xfe, 0xff})):
		return wide(2, nil)(b), true
	}
	return "", false
}

// guess reads eight-bit bytes that nobody labelled rightly.
func guess(b []byte) string {
	if jis := looks2022(b); jis != nil {
		return jis(b)
	}
	sample := b
	const enough = 8 << 10
	if len(sample) > enough {
		// eight-bit text may begin late
		for i, c := range b {
			if c >= 0x80 {
				sample = b[i:]
				break
			}
		}
		sample = sample[:min(len(sample), enough)]
	}
	high := 0
	for _, c := range sample {
		if c >= 0x80 {
			high++
		}
	}
	if cs := asian(sample, high); cs != nil {
		return cs.decode(b)
	}
	fallback := charsetOf("windows-1252")
	all, err := chardet.NewTextDetector().DetectAll(sample)
	if err != nil {
		return fallback.decode(b)
	}
	// Detectors run at once and come in any order: equals are put into one, Latin-1 first.
	slices.SortStableFunc(all, func(x, y chardet.Result) int {
		latin1 := func(r chardet.Result) int {
			if r.Charset == "ISO-8859-1" || r.Charset == "windows-1252" {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(y.Confidence, x.Confidence), cmp.Compare(latin1(x), latin1(y)), cmp.Compare(x.Charset, y.Charset))
	})
	for _, r := range all {
		cs := charsetOf(r.Charset)
		if cs == nil || cs.unicode || r.Confidence < 10 || cs.single && strings.ContainsRune(cs.decode(sample), utf8.RuneError) {
			continue
		}
		switch {
		case strings.HasPrefix(r.Charset, "UTF-"):
			continue
		case !cs.single:
			// Letters with accents stand alone in European text, but in pairs in Asian.
			t := cs.decode(b)
			if high < 4 || strings.ContainsRune(t, utf8.RuneError) || paired(sample)*10 < high*8 {
				continue
			}
			return t
		case high*3 < len(sample) && r.Charset != "ISO-8859-1" && r.Charset != "windows-1252":
			// Few accents: Latin of some kind; another than Latin-1 must be likely.
			if nonLatin(r.Charset) || r.Confidence < 40 {
				continue
			}
			return cs.decode(b)
		default:
			if high*3 < len(sample) && nonLatin(r.Charset) {
				continue
			}
			return cs.decode(b)
		}
	}
	return fallback.decode(b)
}

// asian finds the East Asian charset as which text is full of that language's commonest characters;
// statistics need more text than a subject has. nil is none.
func asian(sample []byte, high int) *charset {
	if high < 4 {
		return nil
	}
	var best *charset
	most := 0
	for _, l := range commonest {
		cs := charsetOf(l.charset)
		t := cs.decode(sample)
		hits, letters := 0, 0
		for _, r := range t {
			switch {
			case r == utf8.RuneError:
				letters += 4
			case r < 0x80:
			default:
				letters++
				if strings.ContainsRune(l.characters, r) {
					hits++
				}
			}
		}
		if share := hits * 100 / max(letters, 1); hits > 1 && share >= 30 && share > most {
			best, most = cs, share
		}
	}
	return best
}

const kana = "あいうえおかがきくけこさしすせそただちつてでとどなにのはばひふへほまみめもやよらりるれろわをんっょゅゃアイウエオカクグコサシスセソタチッテトドナニノハバフプマミムメラリルレロンー、。の件様日本会議定予お知"

// commonest are the characters that stand in nearly every text of a language.
var commonest = []struct{ charset, characters string }{
	{"gb18030", "的一是不了在人有我他这为之大来以个中上们到说国和地也子时道出而要于就下得可你年生自会那后能对着事其里所去行过家十用发天如然作方成者多日都三小军二无同么经法当起与好看学进种将还分此心前面又定见只主没公从您请谢关通知议问回复，。！？："},
	{"big5", "的一是不了在人有我他這為之大來以個中上們到說國和地也子時道出而要於就下得可你年生自會那後能對著事其裡所去行過家十用發天如然作方成者多日都三小軍二無同麼經法當起與好看學進種將還分此心前面又定見只主沒公從您請謝關通知議問回覆嗎，。！？："},
	{"shift_jis", kana},
	{"euc-jp", kana},
	{"euc-kr", "이다는의가을를에하고니요안녕세습한지로서은들도시어기있해사대인일수자나리그아보정주게과여부장것만제으문신회오전원공상조스"},
}

func nonLatin(charset string) bool {
	switch charset {
	case "ISO-8859-5", "ISO-8859-6", "ISO-8859-7", "ISO-8859-8", "ISO-8859-8-I", "windows-1251", "windows-1253", "windows-1255", "windows-1256", "KOI8-R":
		return true
	}
	return strings.HasPrefix(charset, "IBM")
}

// paired counts the high bytes that follow or precede another byte of a pair.
func paired(b []byte) int {
	n := 0
	for i := 0; i < len(b); i++ {
		if b[i] >= 0x81 && i+1 < len(b) && b[i+1] >= 0x80 {
			n += 2
			i++
		} else if b[i] >= 0x81 && i+1 < len(b) && b[i+1] >= 0x40 && i > 0 && b[i-1] >= 0x80 {
			n++
		}
	}
	return n
}

// looks2022 finds the escape sequences of ISO-2022-JP or -KR.
func looks2022(b []byte) func([]byte) string {
	for rest := b; ; {
		i := bytes.IndexByte(rest, 0x1b)
		if i < 0 || i+2 >= len(rest) {
			return nil
		}
		switch string(rest[i+1 : i+3]) {
		case "$B", "$@", "(J", "(I", "$(":
			return jis2022
		case "$)":
			return kr2022
		}
		rest = rest[i+1:]
	}
}

// jis2022 reads ISO-2022-JP with what vendors added (rows of NEC and IBM, half-width katakana by
// SO and SI or with the eighth bit, JIS X 0212) by rewriting it as EUC-JP.
func jis2022(b []byte) string {
	const (
		ascii = iota
		kana
		x0208
		x0212
	)
	out := make([]byte, 0, len(b)*2)
	state, shift := ascii, false
	for i := 0; i < len(b); i++ {
		c := b[i]
		if c == 0x1b {
			rest := b[i+1:]
			switch {
			case bytes.HasPrefix(rest, []byte("$(D")):
				state, i = x0212, i+3
				continue
			case bytes.HasPrefix(rest, []byte("$(")) && len(rest) > 2: // $(@, $(B, $(O, $(Q
				state, i = x0208, i+3
				continue
			case bytes.HasPrefix(rest, []byte("$B")), bytes.HasPrefix(rest, []byte("$@")):
				state, i = x0208, i+2
				continue
			case bytes.HasPrefix(rest, []byte("(I")):
				state, i = kana, i+2
				continue
			case bytes.HasPrefix(rest, []byte("(")) && len(rest) > 1: // (B, (J, (H
				state, i = ascii, i+2
				continue
			case bytes.HasPrefix(rest, []byte("&@")):
				i += 2
				continue
			}
			continue
		}
		switch {
		case c == 0x0e:
			shift = true
		case c == 0x0f:
			shift = false
		case c == '\n' || c == '\r':
			state, shift = ascii, false // RFC 1468: every line begins and ends in ASCII
			out = append(out, c)
		case shift && 0x21 <= c && c <= 0x5f, state == kana && 0x21 <= c && c <= 0x5f:
			out = append(out, 0x8e, c|0x80)
		case c >= 0x80:
			if 0xa1 <= c && c <= 0xdf && state != x0208 {
				out = append(out, 0x8e, c)
			} else {
				out = append(out, c)
			}
		case (state == x0208 || state == x0212) && 0x21 <= c && c <= 0x7e && i+1 < len(b) && 0x21 <= b[i+1]&0x7f && b[i+1]&0x7f <= 0x7e:
			if state == x0212 {
				out = append(out, 0x8f)
			}
			out = append(out, c|0x80, b[i+1]|0x80)
			i++
		default:
			out = append(out, c)
		}
	}
	return charsetOf("euc-jp").decode(out)
}

// kr2022 reads ISO-2022-KR (RFC 1557): EUC-KR without the eighth bit between SO and SI.
func kr2022(b []byte) string {
	out := make([]byte, 0, len(b))
	shift := false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == 0x1b && bytes.HasPrefix(b[i+1:], []byte("$)C")):
			i += 3
		case c == 0x0e:
			shift = true
		case c == 0x0f:
			shift = false
		case c == '\n':
			shift = false
			out = append(out, c)
		case shift && 0x21 <= c && c <= 0x7e:
			out = append(out, c|0x80)
		default:
			out = append(out, c)
		}
	}
	return charsetOf("euc-kr").decode(out)
}

// utf7 reads RFC 2152.
func utf7(b []byte) string {
	var s strings.Builder
	for len(b) > 0 {
		i := bytes.IndexByte(b, '+')
		if i < 0 {
			s.WriteString(mendUTF8(b))
			break
		}
		s.WriteString(mendUTF8(b[:i]))
		b = b[i+1:]
		n := 0
		for n < len(b) && strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", b[n]) >= 0 {
			n++
		}
		if n == 0 {
			s.WriteByte('+')
		} else {
			raw := make([]byte, base64.RawStdEncoding.DecodedLen(n)+3)
			m, err := base64.RawStdEncoding.Decode(raw, b[:n])
			if err != nil && n%4 == 1 {
				m, _ = base64.RawStdEncoding.Decode(raw, b[:n-1])
			}
			s.WriteString(wide(2, binary.BigEndian)(raw[:m&^1]))
		}
		b = b[n:]
		if len(b) > 0 && b[0] == '-' {
			b = b[1:]
		}
	}
	return s.String()
}

// wide reads UTF-16 or UTF-32; order nil means: by the mark, else by where the zeros are.
func wide(size int, order binary.ByteOrder) func([]byte) string {
	return func(b []byte) string {
		o := order
		if len(b) >= size {
			switch mark := b[:size]; {
			case size == 2 && mark[0] == 0xff && mark[1] == 0xfe:
				o, b = binary.LittleEndian, b[2:]
			case size == 2 && mark[0] == 0xfe && mark[1] == 0xff:
				o, b = binary.BigEndian, b[2:]
			case size == 4 && mark[0] == 0xff && mark[1] == 0xfe && mark[2] == 0:
				o, b = binary.LittleEndian, b[4:]
			case size == 4 && mark[2] == 0xfe && mark[3] == 0xff:
				o, b = binary.BigEndian, b[4:]
			}
		}
		if o == nil && size == 2 && bytes.IndexByte(b, 0) < 0 && utf8.Valid(b) {
			return string(b) // labelled utf-16 by a program that then sent UTF-8
		}
		if o == nil {
			even, odd := 0, 0
			for i, c := range b[:min(len(b), 1024)] {
				if c == 0 && i%2 == 0 {
					even++
				} else if c == 0 {
					odd++
				}
			}
			o = binary.BigEndian
			if odd > even {
				o = binary.LittleEndian
			}
		}
		var s strings.Builder
		if size == 4 {
			for ; len(b) >= 4; b = b[4:] {
				s.WriteRune(rune(o.Uint32(b))) // WriteRune makes what is no rune U+FFFD
			}
			return s.String()
		}
		units := make([]uint16, len(b)/2)
		for i := range units {
			units[i] = o.Uint16(b[2*i:])
		}
		return string(utf16.Decode(units))
	}
}

// metaCharset finds the charset that an HTML text names itself.
func metaCharset(b []byte) string {
	head := bytes.ToLower(b[:min(len(b), 4096)])
	for {
		i := bytes.Index(head, []byte("<meta"))
		if i < 0 {
			return ""
		}
		head = head[i+5:]
		tag := head
		if j := bytes.IndexByte(tag, '>'); j >= 0 {
			tag = tag[:j]
		}
		if j := bytes.Index(tag, []byte("charset")); j >= 0 {
			v := bytes.TrimLeft(tag[j+7:], " =\"'\t\r\n")
			if k := bytes.IndexAny(v, " \"'/;\t\r\n"); k >= 0 {
				v = v[:k]
			}
			if len(v) > 0 {
				return string(v)
			}
		}
	}
}
