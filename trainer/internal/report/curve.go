package report

import (
	"fmt"
	"html/template"
	"slices"
	"strings"

	"cull/trainer/internal/pretrain"
)

// losses draws the losses of a training, each as a share of its first value: solid where
// trained, dashed in validation.
func losses(c *pretrain.Curve) template.HTML {
	var b strings.Builder
	frame(&b, histHeight, "samples", "loss / first")
	if len(c.Training) > 0 {
		for i, name := range c.Training[0].Names() {
			first := c.Training[0].Losses[name]
			of := func(p *pretrain.Point) (float64, bool) { v, ok := p.Losses[name]; return v / first / 1.2, ok }
			if !(first > 0) {
				continue
			}
			course(&b, c, c.Training, of, i, "", name)
			course(&b, c, c.Validation, of, i, ";stroke-dasharray:4 3", name+", validation")
		}
	}
	ends(&b, c, "0", "1.2")
	return template.HTML(b.String())
}

// cells draws the cell AUROC of the validations.
func cells(c *pretrain.Curve) template.HTML {
	var b strings.Builder
	frame(&b, histHeight, "samples", "cell AUROC")
	course(&b, c, c.Validation, func(p *pretrain.Point) (float64, bool) {
		if p.CellAUROC == nil {
			return 0, false
		}
		return *p.CellAUROC, true
	}, 0, "", "cell AUROC")
	ends(&b, c, "0", "1")
	return template.HTML(b.String())
}

// ends closes a plot with its ticks.
func ends(b *strings.Builder, c *pretrain.Curve, low, high string) {
	const text = `<text x="%d" y="%d" class="tick end">%s</text>`
	fmt.Fprintf(b, text, plotLeft-4, plotTop+histHeight+4, low)
	fmt.Fprintf(b, text, plotLeft-4, plotTop+8, high)
	fmt.Fprintf(b, text+"</svg>", plotLeft+plotSide, plotTop+histHeight+13, fmt.Sprint(c.Of))
}

// course is a path through points; of gives the height as a share of the plot's.
func course(
	b *strings.Builder, c *pretrain.Curve, points []pretrain.Point, of func(*pretrain.Point) (float64, bool),
	i int, style, title string,
) {
	var d strings.Builder
	for k := range points {
		v, ok := of(&points[k])
		if !ok {
			continue
		}
		step := "L"
		if d.Len() == 0 {
			step = "M"
		}
		x := float64(points[k].Images) / float64(max(1, c.Of))
		fmt.Fprintf(&d, "%s%.1f %.1f", step, plotLeft+plotSide*x, plotTop+histHeight*(1-min(1, max(0, v))))
	}
	if d.Len() > 0 {
		fmt.Fprintf(b, `<path d="%s" class="curve" style="stroke:%s%s"><title>%s</title></path>`,
			d.String(), colour(i), style, template.HTMLEscapeString(title))
	}
}

// keys names the losses of a curve in the order of their colours.
func keys(c *pretrain.Curve) []string {
	if len(c.Training) == 0 {
		return nil
	}
	return slices.Clone(c.Training[0].Names())
}
