package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"

	"cull/trainer/internal/table"
)

// colour of row i: hues a golden angle apart, so that neighbours differ.
func colour(i int) template.CSS {
	return template.CSS(fmt.Sprintf("hsl(%d,65%%,%d%%)", i*137%360, 42-10*(i%2)))
}

const (
	plotSide = 260 // of the plot's area, pixels
	plotLeft = 34
	plotTop  = 8
)

// frame is the box, its ticks at 0, 0.5 and 1, and the names of the axes.
func frame(b *strings.Builder, h int, x, y string) {
	fmt.Fprintf(b, `<svg viewBox="0 0 %d %d" width="%d" role="img">`, plotLeft+plotSide+10, plotTop+h+34, plotLeft+plotSide+10)
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%d" height="%d" class="box"/>`, plotLeft, plotTop, plotSide, h)
	fmt.Fprintf(b, `<text x="%d" y="%d" class="axis">%s</text>`, plotLeft+plotSide/2, plotTop+h+29, x)
	fmt.Fprintf(b, `<text transform="translate(9,%d) rotate(-90)" class="axis">%s</text>`, plotTop+h/2, y)
}

// roc draws one curve per measured row of a category: false rejects to the right,
// rejected bad parts upwards, as shares.
func roc(t *table.Table, column int) template.HTML {
	var b strings.Builder
	frame(&b, plotSide, "false rejects", "bad parts rejected")
	for _, v := range []float64{0, 0.5, 1} {
		fmt.Fprintf(&b, `<text x="%.0f" y="%d" class="tick">%g</text>`,
			plotLeft+v*plotSide, plotTop+plotSide+13, v)
		fmt.Fprintf(&b, `<text x="%d" y="%.0f" class="tick end">%g</text>`,
			plotLeft-4, plotTop+(1-v)*plotSide+4, v)
	}
	fmt.Fprintf(&b, `<path d="M%d %dL%d %d" class="chance"/>`,
		plotLeft, plotTop+plotSide, plotLeft+plotSide, plotTop)
	for i := range t.Rows {
		if r := &t.Rows[i]; r.Missing == "" {
			fmt.Fprintf(&b, `<path d="%s" class="curve" style="stroke:%s"><title>%s</title></path>`,
				curve(r.Cells[column].Scores), colour(i), template.HTMLEscapeString(r.Title))
		}
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

// curve is the path of the operating points, limits falling; ties are one slanted step.
func curve(scores []table.Score) string {
	s := slices.Clone(scores)
	slices.SortStableFunc(s, func(a, b table.Score) int {
		switch {
		case a.Value > b.Value:
			return -1
		case a.Value < b.Value:
			return 1
		}
		return 0
	})
	good, bad := count(s)
	var d strings.Builder
	fmt.Fprintf(&d, "M%d %d", plotLeft, plotTop+plotSide)
	x, y := 0, 0
	for i, p := range s {
		if p.Good {
			x++
		} else {
			y++
		}
		if i+1 < len(s) && s[i+1].Value == p.Value {
			continue
		}
		fmt.Fprintf(&d, "L%.1f %.1f", plotLeft+plotSide*share(x, good), plotTop+plotSide*(1-share(y, bad)))
	}
	return d.String()
}

func count(s []table.Score) (good, bad int) {
	for _, p := range s {
		if p.Good {
			good++
		} else {
			bad++
		}
	}
	return good, bad
}

func share(n, of int) float64 { return float64(n) / float64(max(1, of)) }

const (
	bins       = 32
	histHeight = 90 // height, pixels
)

// histogram draws the scores of good parts (filled) and bad parts (outlined), each as shares
// of its own number, and the threshold.
func histogram(r *table.Result, column int) template.HTML {
	c := &r.Cells[column]
	low, high := math.Inf(1), math.Inf(-1)
	for _, s := range c.Scores {
		low, high = min(low, s.Value), max(high, s.Value)
	}
	threshold := float64(c.Seeds[0].Threshold)
	if !math.IsNaN(threshold) {
		low, high = min(low, threshold), max(high, threshold)
	}
	if !(high > low) {
		high = low + 1
	}
	var good, bad [bins]int
	for _, s := range c.Scores {
		k := min(bins-1, int((s.Value-low)/(high-low)*bins))
		if s.Good {
			good[k]++
		} else {
			bad[k]++
		}
	}
	nGood, nBad := count(c.Scores)
	top := 1e-9
	for k := range bins {
		top = max(top, share(good[k], nGood), share(bad[k], nBad))
	}
	var b strings.Builder
	frame(&b, histHeight, "score", "share")
	for k := range bins {
		bar(&b, k, share(good[k], nGood)/top, "good")
		bar(&b, k, share(bad[k], nBad)/top, "bad")
	}
	x := plotLeft + plotSide*(threshold-low)/(high-low)
	fmt.Fprintf(&b, `<path d="M%.1f %dv%d" class="limit"/>`, x, plotTop, histHeight)
	fmt.Fprintf(&b, `<text x="%d" y="%d" class="tick start">%.3g</text>`, plotLeft, plotTop+histHeight+13, low)
	fmt.Fprintf(&b, `<text x="%d" y="%d" class="tick end">%.3g</text></svg>`,
		plotLeft+plotSide, plotTop+histHeight+13, high)
	return template.HTML(b.String())
}

func bar(b *strings.Builder, k int, v float64, class string) {
	const w = float64(plotSide) / bins
	if v > 0 {
		fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" class="%s"/>`,
			plotLeft+float64(k)*w, plotTop+histHeight*(1-v), w-0.5, histHeight*v, class)
	}
}
