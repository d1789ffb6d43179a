package browser

import (
	"math"
	"os"
	"regexp"
	"strconv"
	"testing"
)

// The pictures of people are read (WCAG 2.2, 1.4.3: 4.5 to 1) and told apart.
func TestColoursOfPeople(t *testing.T) {
	css, err := os.ReadFile("web/style.css")
	if err != nil {
		t.Fatal(err)
	}
	var all [][3]float64
	for _, m := range regexp.MustCompile(`\.c\d, [^{]*\{ background: #([0-9a-f]{6})`).FindAllSubmatch(css, -1) {
		n, _ := strconv.ParseUint(string(m[1]), 16, 32)
		var linear [3]float64
		for i := range linear {
			c := float64(n>>(16-8*i)&0xff) / 255
			if linear[i] = c / 12.92; c > 0.04045 {
				linear[i] = math.Pow((c+0.055)/1.055, 2.4)
			}
		}
		if contrast := 1.05 / (0.2126*linear[0] + 0.7152*linear[1] + 0.0722*linear[2] + 0.05); contrast < 4.5 {
			t.Errorf("white on #%s has a contrast of %.1f", m[1], contrast)
		}
		lab := oklab(linear)
		for i, other := range all {
			if d := math.Hypot(math.Hypot(lab[0]-other[0], lab[1]-other[1]), lab[2]-other[2]); d < 0.09 {
				t.Errorf("#%s is too like c%d: %.2f", m[1], i, d)
			}
		}
		all = append(all, lab)
	}
	if len(all) != 8 {
		t.Errorf("there are %d colours", len(all))
	}
}

// oklab is where a colour of linear RGB stands as it is seen (bottosson.github.io/posts/oklab).
func oklab(c [3]float64) [3]float64 {
	l := math.Cbrt(0.4122214708*c[0] + 0.5363325363*c[1] + 0.0514459929*c[2])
	m := math.Cbrt(0.2119034982*c[0] + 0.6806995451*c[1] + 0.1073969566*c[2])
	s := math.Cbrt(0.0883024619*c[0] + 0.2817188376*c[1] + 0.6299787005*c[2])
	return [3]float64{
		0.2104542553*l + 0.7936177850*m - 0.0040720468*s,
		1.9779984951*l - 2.4285922050*m + 0.4505937099*s,
		0.0259040371*l + 0.7827717662*m - 0.8086757660*s,
	}
}
