package quantise

import (
	"fmt"
	"io"
	"math"

	"cull/infer"
	"cull/trainer/internal/grad"
)

// A Loss says how far one node's int8 result is from the float one.
type Loss struct {
	Name string
	SNR  float64 // signal-to-noise ratio, dB
	Clip float64 // share of values at the ends of the range
}

// Compare runs both networks on pictures (size x size, bytes R, G, B) and returns
// the loss of every node but the input.
func Compare(be grad.Backend, n *Network, r Ranges, m *infer.Model, size int, pictures [][]uint8) ([]Loss, error) {
	run, err := m.NewRunner(size, size, infer.Options{KeepAll: true})
	if err != nil {
		return nil, fmt.Errorf("quantise: %w", err)
	}
	defer run.Close()
	type sums struct{ signal, noise, clipped, count float64 }
	all := make([]sums, len(n.Graph.Nodes))
	x := grad.NewTensor(1, size, size, 3)
	in := make([]int8, 3*size*size)
	for _, p := range pictures {
		Load(x, 0, p)
		Int8(in, p)
		want := n.Run(be, x)
		run.Run(in)
		for i := range all {
			got, s, w := run.Node(i), &all[i], want[i]
			for y := range w.H {
				row := w.Row(0, y)
				for j, v := range row {
					q := got.Data[y*len(row)+j]
					e := float64(v) - float64(q)*float64(r[i][j%w.C])/127
					s.signal += float64(v) * float64(v)
					s.noise += e * e
					if q == 127 || q == -127 {
						s.clipped++
					}
				}
				s.count += float64(len(row))
			}
		}
	}
	var out []Loss
	for i, s := range all[1:] {
		snr := 10 * math.Log10(s.signal/max(s.noise, 1e-30))
		out = append(out, Loss{n.Graph.Nodes[i+1].Name, snr, s.clipped / s.count})
	}
	return out, nil
}

// Print writes the losses as a table.
func Print(w io.Writer, losses []Loss) error {
	if _, err := fmt.Fprintf(w, "%-20s %8s %9s\n", "node", "SNR dB", "clipped"); err != nil {
		return err
	}
	for _, l := range losses {
		if _, err := fmt.Fprintf(w, "%-20s %8.1f %8.3f%%\n", l.Name, l.SNR, 100*l.Clip); err != nil {
			return err
		}
	}
	return nil
}
