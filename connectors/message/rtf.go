package message

import (
	"encoding/binary"
	"strconv"
	"strings"
)

// rtfDictionary is what compressed RTF takes for having come before (MS-OXRTFCP §3.1.1.1).
const rtfDictionary = "{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"

const mostRTF = 4 << 20 // bytes of RTF: much of them is markup

// unpackRTF undoes the compression of PR_RTF_COMPRESSED (MS-OXRTFCP), as far as the bytes are whole.
func unpackRTF(b []byte) []byte {
	if len(b) < 16 {
		return nil
	}
	kind, size := string(b[8:12]), min(binary.LittleEndian.Uint32(b[4:]), mostRTF)
	b = b[16:]
	switch kind {
	case "MELA":
		return b[:min(len(b), int(size))]
	case "LZFu":
	default:
		return nil
	}
	var window [4096]byte
	at := copy(window[:], rtfDictionary)
	out := make([]byte, 0, min(int(size), 16*len(b)))
	put := func(c byte) {
		window[at] = c
		at = (at + 1) % len(window)
		out = append(out, c)
	}
	for len(b) > 0 {
		flags := b[0]
		b = b[1:]
		for bit := range 8 {
			if len(out) >= mostRTF {
				return out
			}
			if flags>>bit&1 == 0 {
				if len(b) == 0 {
					return out
				}
				put(b[0])
				b = b[1:]
				continue
			}
			if len(b) < 2 {
				return out
			}
			from, n := int(b[0])<<4|int(b[1])>>4, int(b[1]&0xf)+2
			b = b[2:]
			if from == at {
				return out // the mark of the end
			}
			for range n {
				put(window[from])
				from = (from + 1) % len(window)
			}
		}
	}
	return out
}

// rtfSkipped are the groups that hold no text of the document.
var rtfSkipped = words(`fonttbl colortbl stylesheet info pict object header footer headerl headerr headerf
	footerl footerr footerf listtable listoverridetable rsidtbl generator themedata datastore xmlnstbl latentstyles fldinst`)

// rtfText is the text of an RTF document; with html, the HTML that Outlook wrapped into it
// (MS-OXRTFEX).
func rtfText(s string, html bool) string {
	type group struct {
		skip    bool // no text of the document
		tag     bool // \*\htmltag: HTML as it was
		noHTML  bool // \htmlrtf: for readers of RTF
		charset string
		uc      int // characters that stand in for one \u
	}
	var out strings.Builder
	var raw []byte // eight-bit characters not yet decoded
	now := group{uc: 1}
	var stack []group
	charset := "windows-1252"
	fonts := map[int]string{}
	font, inFonts, fontDepth := -1, false, 0
	drop := 0 // characters still to be left out after \u
	flush := func() {
		if len(raw) > 0 {
			label := now.charset
			if label == "" {
				label = charset
			}
			t, _ := decodeText(raw, label, "")
			out.WriteString(t)
			raw = raw[:0]
		}
	}
	shown := func() bool { return !now.skip && (!html || now.tag || !now.noHTML) }
	emit := func(t string) {
		if drop > 0 {
			drop--
			return
		}
		if shown() {
			flush()
			out.WriteString(t)
		}
	}
	var high rune
	for i := 0; i < len(s) && out.Len() < mostText; {
		switch c := s[i]; c {
		case '{':
			flush()
			drop = 0
			if len(stack) < 500 {
				stack = append(stack, now)
			} else {
				return out.String()
			}
			i++
		case '}':
			flush()
			drop = 0
			if len(stack) == 0 {
				return out.String()
			}
			if inFonts && len(stack) <= fontDepth {
				inFonts = false
			}
			now, stack = stack[len(stack)-1], stack[:len(stack)-1]
			i++
		case '\r', '\n':
			i++
		case '\\':
			i++
			if i == len(s) {
				break
			}
			c = s[i]
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
				i++
				switch c {
				case '\'':
					if isHex2(s[i:]) {
						if drop > 0 {
							drop--
						} else if shown() {
							raw = append(raw, byte(unhex(s[i])<<4|unhex(s[i+1])))
						}
						i += 2
					}
				case '*':
					if !html || !strings.HasPrefix(s[i:], `\htmltag`) {
						now.skip = true
					}
				case '~':
					emit("\u00a0")
				case '_':
					emit("-")
				case '\\', '{', '}':
					emit(string(c))
				case '\r', '\n':
					emit("\n")
				}
				continue
			}
			start := i
			for i < len(s) && (s[i] >= 'a' && s[i] <= 'z' || s[i] >= 'A' && s[i] <= 'Z') {
				i++
			}
			word := s[start:i]
			start = i
			if i < len(s) && s[i] == '-' {
				i++
			}
			for i < len(s) && s[i] >= '0' && s[i] <= '9' && i-start < 10 {
				i++
			}
			n, err := strconv.Atoi(s[start:i])
			given := err == nil
			if i < len(s) && s[i] == ' ' {
				i++
			}
			if word != "u" {
				high = 0
			}
			switch word {
			case "par", "line", "row", "sect", "page":
				emit("\n")
			case "tab", "cell":
				emit("\t")
			case "lquote":
				emit("‘")
			case "rquote":
				emit("’")
			case "ldblquote":
				emit("“")
			case "rdblquote":
				emit("”")
			case "bullet":
				emit("•")
			case "endash":
				emit("–")
			case "emdash":
				emit("—")
			case "u":
				r := rune(uint16(n))
				if shown() {
					flush()
					switch {
					case r >= 0xd800 && r < 0xdc00:
						high = r
					case r >= 0xdc00 && r < 0xe000:
						if high != 0 {
							out.WriteRune((high-0xd800)<<10 + (r - 0xdc00) + 0x10000)
						}
						high = 0
					default:
						out.WriteRune(r)
					}
				}
				drop = now.uc
			case "uc":
				now.uc = max(0, min(n, 10))
			case "ansicpg":
				charset = codePage(uint32(max(n, 0)))
			case "htmltag":
				now.tag = html
			case "htmlrtf":
				flush()
				now.noHTML = !given || n != 0
			case "f":
				flush()
				if font = n; !inFonts {
					now.charset = fonts[n]
				}
			case "fcharset":
				if inFonts && len(fonts) < 1000 {
					fonts[font] = fontCharsets[n]
				}
			case "plain":
				now.charset = ""
			case "bin":
				i = min(len(s), i+max(n, 0))
			case "fonttbl":
				inFonts, fontDepth = true, len(stack)
				now.skip = true
			default:
				if rtfSkipped[word] {
					now.skip = true
				}
			}
		default:
			i++
			if drop > 0 {
				drop--
			} else if shown() {
				if c >= 0x80 || len(raw) > 0 {
					raw = append(raw, c)
				} else {
					out.WriteByte(c)
				}
			}
		}
	}
	flush()
	return out.String()
}

// fontCharsets are the labels of \fcharset.
var fontCharsets = map[int]string{
	77: "macintosh", 128: "cp932", 129: "cp949", 134: "gbk", 136: "big5", 161: "windows-1253", 162: "windows-1254", 163: "windows-1258",
	177: "windows-1255", 178: "windows-1256", 186: "windows-1257", 204: "windows-1251", 222: "windows-874", 238: "windows-1250",
}
