package table

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"
)

// A Figure is one of a cell's.
type Figure struct {
	Title string
	Of    func(Cell) Spread
}

// Figures lists them in the table's order.
func Figures() []Figure {
	return []Figure{
		{"image AUROC", func(c Cell) Spread { return c.ImageAUROC }},
		{"pixel AUROC", func(c Cell) Spread { return c.PixelAUROC }},
		{"AUPRO (30 %)", func(c Cell) Spread { return c.AUPRO }},
	}
}

// String is "mean ± sd", a dash where the figure does not exist.
func (s Spread) String() string {
	switch {
	case s.N == 0:
		return "–"
	case math.IsNaN(float64(s.SD)):
		return fmt.Sprintf("%.3f", float64(s.Mean))
	}
	return fmt.Sprintf("%.3f ±%.3f", float64(s.Mean), float64(s.SD))
}

// WriteText prints one block per figure, a line per row.
func (t *Table) WriteText(w io.Writer) error {
	fmt.Fprintf(w, "%d px, mode %s, %s, mean ± standard deviation over %d seeds\n", t.Size, t.Mode, t.Taught(), t.Seeds)
	for _, f := range Figures() {
		tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintf(tw, "\n%s\t", f.Title)
		for _, c := range t.Categories() {
			fmt.Fprintf(tw, "%s\t", c)
		}
		fmt.Fprintln(tw, "mean\t")
		for i := range t.Rows {
			r := &t.Rows[i]
			fmt.Fprintf(tw, "%s\t", r.Title)
			if r.Missing != "" {
				fmt.Fprintf(tw, "not measured: %s\n", r.Missing)
				continue
			}
			for j := range r.Cells {
				fmt.Fprintf(tw, "%v\t", f.Of(r.Cells[j]))
			}
			fmt.Fprintf(tw, "%v\t\n", f.Of(r.Mean))
		}
		if err := tw.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// Taught says what the detector was taught from.
func (t *Table) Taught() string {
	if t.Train == 0 {
		return "all training pictures"
	}
	return fmt.Sprintf("at most %d training pictures", t.Train)
}

// Categories lists the columns.
func (t *Table) Categories() []string {
	for i := range t.Rows {
		if r := &t.Rows[i]; r.Missing == "" {
			var names []string
			for j := range r.Cells {
				names = append(names, r.Cells[j].Category)
			}
			return names
		}
	}
	return nil
}
