// Package report draws a table as one HTML file without references to anything outside.
package report

import (
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"

	"cull/trainer/internal/table"
)

// A Picture is an image of the report.
type Picture struct {
	Caption string
	Media   string // image/png, image/jpeg
	Data    []byte
}

// A Sheet is pictures side by side under a title.
type Sheet struct {
	Title    string
	Pictures []Picture
}

//go:embed report.html.tmpl
var page string

var tmpl = template.Must(template.New("report").Funcs(template.FuncMap{
	"source": func(p Picture) template.URL {
		return template.URL("data:" + p.Media + ";base64," + base64.StdEncoding.EncodeToString(p.Data))
	},
	"roc":       roc,
	"histogram": histogram,
	"colour":    colour,
	"best":      best,
	"losses":    losses,
	"cells":     cells,
	"keys":      keys,
}).Parse(page))

// Write writes the report of t; sheets follow the plots.
func Write(w io.Writer, t *table.Table, sheets []Sheet) error {
	err := tmpl.Execute(w, struct {
		*table.Table
		Figures []table.Figure
		Sheets  []Sheet
	}{t, table.Figures(), sheets})
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// best is the index of the row whose mean is the highest, -1 for none.
func best(t *table.Table, f table.Figure, column int) int {
	top, at := 0.0, -1
	for i := range t.Rows {
		if s := cellOf(&t.Rows[i], f, column); s.N > 0 && float64(s.Mean) > top {
			top, at = float64(s.Mean), i
		}
	}
	return at
}

// cellOf is the figure of a row's column; -1 is the mean.
func cellOf(r *table.Result, f table.Figure, column int) table.Spread {
	switch {
	case r.Missing != "":
		return table.Spread{}
	case column < 0:
		return f.Of(r.Mean)
	}
	return f.Of(r.Cells[column])
}
