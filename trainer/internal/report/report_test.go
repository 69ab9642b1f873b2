package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"

	"cull/internal/evaluate"
	"cull/trainer/internal/pretrain"
	"cull/trainer/internal/table"
)

func example() *table.Table {
	cell := table.Cell{
		Category:   "plate",
		ImageAUROC: table.NewSpread([]evaluate.Figure{0.8, 0.9}),
		Seeds:      []evaluate.Category{{Threshold: 2}},
		Scores: []table.Score{
			{Kind: "good", Good: true, Value: 1},
			{Kind: "spot", Value: 3},
			{Kind: "good", Good: true, Value: 2},
			{Kind: "spot", Value: 2},
		},
	}
	auroc := 0.7
	curve := &pretrain.Curve{Of: 8, Training: []pretrain.Point{
		{Images: 4, Losses: map[string]float64{"form": 2}}, {Images: 8, Losses: map[string]float64{"form": 1}},
	}, Validation: []pretrain.Point{{Images: 8, Losses: map[string]float64{"form": 1.5}, CellAUROC: &auroc}}}
	return &table.Table{Size: 64, Mode: "auto", Seeds: 2, Rows: []table.Result{
		{
			Name: "a", Title: "A & <B>", Cells: []table.Cell{cell}, Mean: cell, Networks: []string{strings.Repeat("0f", 32)},
			Curves: []*pretrain.Curve{curve},
		},
		{Name: "b", Title: "B", Missing: "needs --btad DIR"},
	}}
}

func TestReportIsOneFileThatEscapes(t *testing.T) {
	var b bytes.Buffer
	sheets := []Sheet{{"Maps", []Picture{{"one", "image/png", []byte{1, 2, 3}}}}}
	if err := Write(&b, example(), sheets); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"not measured: needs --btad DIR", "A &amp; &lt;B&gt;", "0.850 ±0.071", "data:image/png;base64,AQID", `class="best"`,
		"hsl(0,65%,42%)", "Training: A &amp; &lt;B&gt;", "<title>form, validation</title>", "<title>cell AUROC</title>",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	for _, bad := range []string{"ZgotmplZ", "http://", "https://", "<B>", "NaN"} {
		if strings.Contains(b.String(), bad) {
			t.Errorf("%q in the report", bad)
		}
	}
	for _, svg := range regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAllString(b.String(), -1) {
		d := xml.NewDecoder(strings.NewReader(svg))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%v in\n%s", err, svg)
			}
		}
	}
}

// A bad part above, a tie, a good part below: up, slanted, right.
func TestCurve(t *testing.T) {
	want := "M34 268L34.0 138.0L164.0 8.0L294.0 8.0"
	if got := curve(example().Rows[0].Cells[0].Scores); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
