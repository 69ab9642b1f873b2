package synth

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// moments returns mass, centre and variances of a mask.
func moments(m []float32, w int) (mass, cx, cy, vx, vy float64) {
	for i, v := range m {
		mass += float64(v)
		cx += float64(v) * float64(i%w)
		cy += float64(v) * float64(i/w)
	}
	cx, cy = cx/mass, cy/mass
	for i, v := range m {
		dx, dy := float64(i%w)-cx, float64(i/w)-cy
		vx += float64(v) * dx * dx / mass
		vy += float64(v) * dy * dy / mass
	}
	return
}

// one is a single upright Gaussian in the middle.
var one = []string{
	"components", "1", "mean-x", "0.5", "mean-y", "0.5", "elongated", "0", "rotation", "0",
	"edge", "soft", "sigma-x", "5", "sigma-y", "5", "mode", "additive",
}

func maskOf(t *testing.T, set ...string) *Sample {
	t.Helper()
	g := must(t, Defaults(128, 128), append(append([]string{}, one...), set...)...)
	return render(t, g, 9)
}

func TestSigmaIsTheStandardDeviation(t *testing.T) {
	for _, c := range [][2]string{{"3", "3"}, {"3", "6"}, {"6", "12"}, {"10", "3"}} {
		s := maskOf(t, "sigma-x", c[0], "sigma-y", c[1])
		_, cx, cy, vx, vy := moments(s.Mask, 128)
		p := s.Params.Defect.Components[0]
		if math.Abs(cx-63.5) > 0.1 || math.Abs(cy-63.5) > 0.1 {
			t.Errorf("centre (%.2f, %.2f), want the middle", cx, cy)
		}
		// Cut at 4 sigma and lowered to 0 there, the variance is 0.985 of the full one.
		if rx := math.Sqrt(vx) / p.SigmaX; math.Abs(rx-1) > 0.03 {
			t.Errorf("sigma x %v: the mask has %.3f of it", p.SigmaX, rx)
		}
		if ry := math.Sqrt(vy) / p.SigmaY; math.Abs(ry-1) > 0.03 {
			t.Errorf("sigma y %v: the mask has %.3f of it", p.SigmaY, ry)
		}
	}
}

func TestRotationTurnsX(t *testing.T) {
	s := maskOf(t, "sigma-x", "12", "sigma-y", "3", "rotation", "90")
	_, _, _, vx, vy := moments(s.Mask, 128)
	if vx > 12 || vy < 120 {
		t.Errorf("turned by 90 degrees: variances %.1f, %.1f", vx, vy)
	}
	s = maskOf(t, "sigma-x", "12", "sigma-y", "3", "rotation", "45")
	var cov float64
	for i, v := range s.Mask {
		cov += float64(v) * (float64(i%128) - 63.5) * (float64(i/128) - 63.5)
	}
	if cov <= 0 { // clockwise as seen, y down: x and y grow together
		t.Error("45 degrees turn counter-clockwise")
	}
}

func TestMeansMoveTheMask(t *testing.T) {
	_, cx, cy, _, _ := moments(maskOf(t, "mean-x", "0.25", "mean-y", "0.75").Mask, 128)
	if math.Abs(cx-31.5) > 0.3 || math.Abs(cy-95.5) > 0.3 {
		t.Errorf("centre (%.1f, %.1f), want (31.5, 95.5)", cx, cy)
	}
}

func TestComponentsAndWeights(t *testing.T) {
	for _, rule := range weightNames {
		d := maskOf(t, "components", "4", "weights", rule).Params.Defect
		if len(d.Components) != 4 {
			t.Fatalf("%d components, want 4", len(d.Components))
		}
		sum := 0.0
		for _, c := range d.Components {
			sum += c.Weight
			if rule == "equal" && c.Weight != 0.25 {
				t.Errorf("equal weights give %v", c.Weight)
			}
		}
		if math.Abs(sum-1) > 1e-12 {
			t.Errorf("%s: weights sum to %v", rule, sum)
		}
	}
}

func TestSpreadScattersTheMeans(t *testing.T) {
	far := func(spread string) (sum float64) {
		for _, c := range maskOf(t, "components", "5", "spread", spread).Params.Defect.Components {
			sum += math.Hypot(c.X-63.5, c.Y-63.5)
		}
		return sum
	}
	if a, b := far("2"), far("8"); math.Abs(b/a-4) > 1e-9 {
		t.Errorf("four times the spread moves the means %.3f times as far", b/a)
	}
}

func TestEdges(t *testing.T) {
	mass := func(set ...string) float64 {
		m, _, _, _, _ := moments(maskOf(t, set...).Mask, 128)
		return m
	}
	soft, flat := mass(), mass("edge", "plateau", "plateau", "0.3")
	if flat < 2*soft {
		t.Errorf("a plateau has %.0f pixels of mass, a soft edge %.0f", flat, soft)
	}
	s := maskOf(t, "edge", "step", "sigma-x", "10", "sigma-y", "10", "step-level", "0.3", "step-ramp", "4")
	// The level 0.3 lies at sigma sqrt(2 ln(1/0.3)) = 15.5 px; the ramp is 4 px wide about it.
	row := s.Mask[64*128:]
	in, out := 0, 0
	for x := 64; x < 128; x++ {
		switch {
		case row[x] == 1:
			in = x
		case row[x] > 0:
			out = x
		}
	}
	if math.Abs(float64(in)-77) > 1.6 || math.Abs(float64(out-in)-4) > 1.6 {
		t.Errorf("flat to pixel %d, gone after %d; want 77 and 4 more", in, out)
	}
}

func TestAmplitudeIsTheChange(t *testing.T) {
	s := maskOf(t, "amplitude", "0.2", "grey", "1", "dark", "0", "level", "0.4", "contrast", "0.05",
		"noise", "0", "light", "0", "gain", "1", "gamma", "1", "scene", "0", "balance", "1", "blur", "0")
	i := 64*128 + 64 // m is close to 1
	got := float64(s.Image.Pix[3*i]) - float64(s.Clean.Pix[3*i])
	if math.Abs(got-0.2*255) > 2 {
		t.Errorf("amplitude 0.2 changes the peak by %v grey levels, want 51", got)
	}
	if s.Score[i] < 0.19 || s.Score[i] > 0.2 {
		t.Errorf("score %v at the peak, want 0.2", s.Score[i])
	}
	dark := maskOf(t, "amplitude", "0.2", "dark", "1", "grey", "1")
	if dark.Image.Pix[3*i] >= dark.Clean.Pix[3*i] {
		t.Error("a dark defect is not darker")
	}
}

func TestVisibleFollowsTheChange(t *testing.T) {
	plain := []string{
		"level", "0.4", "contrast", "0.05", "noise", "0", "light", "0", "gain", "1", "scene", "0", "grey", "1",
		"sigma-x", "9", "sigma-y", "9",
	}
	i := 64*128 + 64
	strong := maskOf(t, append(plain, "amplitude", "0.3")...)
	faint := maskOf(t, append(plain, "amplitude", "0.006")...)
	if strong.Visible[i] < 0.99 || strong.Relative[i] < 0.99 {
		t.Errorf("a change of 76 levels is visible at %v, %v", strong.Visible[i], strong.Relative[i])
	}
	if faint.Visible[i] > 0.25 || faint.Relative[i] > 0.1 {
		t.Errorf("a change of 1.5 levels is visible at %v, %v", faint.Visible[i], faint.Relative[i])
	}
	// The same change on a busy surface is less visible relative to its contrast.
	calm := maskOf(t, append(plain, "amplitude", "0.07", "family", "leather", "contrast", "0.05")...)
	busy := maskOf(t, append(plain, "amplitude", "0.07", "family", "leather", "contrast", "2")...)
	if busy.Relative[i] >= calm.Relative[i] {
		t.Errorf("relative score %v on a busy surface, %v on a calm one", busy.Relative[i], calm.Relative[i])
	}
}

func TestWindowsAndMediansAreRight(t *testing.T) {
	g := must(t, Defaults(20, 16))
	src, got, med := make([]float32, 320), make([]float32, 320), make([]float32, 320)
	r := draws{4}.rand(1)
	for i := range src {
		src[i] = float32(r.IntN(766))
	}
	for _, b := range []box{{0, 0, 20, 16}, {3, 4, 9, 10}, {0, 13, 2, 16}} {
		for radius := range 8 {
			g.windows(got, src, b, radius)
			g.medians(med, src, b, radius)
			for y := b.y0; y < b.y1; y++ {
				for x := b.x0; x < b.x1; x++ {
					sum, n, below, equal, disc := 0.0, 0, 0, 0, 0
					for v := max(0, y-radius); v <= min(15, y+radius); v++ {
						for u := max(0, x-radius); u <= min(19, x+radius); u++ {
							sum += float64(src[v*20+u])
							n++
							if (u-x)*(u-x)+(v-y)*(v-y) <= radius*radius {
								disc++
								if src[v*20+u] < med[y*20+x] {
									below++
								} else if src[v*20+u] == med[y*20+x] {
									equal++
								}
							}
						}
					}
					if want := float32(sum / float64(n)); got[y*20+x] != want {
						t.Fatalf("radius %d at (%d, %d): mean %v, want %v", radius, x, y, got[y*20+x], want)
					}
					if below > disc/2 || below+equal <= disc/2 {
						t.Fatalf("radius %d at (%d, %d): %v is not the median", radius, x, y, med[y*20+x])
					}
				}
			}
		}
	}
}

func TestOtherMasks(t *testing.T) {
	area := func(set ...string) float64 {
		g := must(t, Defaults(128, 128), append([]string{"mean-x", "0.5", "mean-y", "0.5"}, set...)...)
		sum := 0.0
		for seed := range uint64(8) {
			m, _, _, _, _ := moments(render(t, g, seed).Mask, 128)
			sum += m / 8
		}
		return sum
	}
	if a, b := area("mask", "perlin", "perlin-threshold", "0"), area("mask", "perlin", "perlin-threshold", "0.5"); a < 3*b {
		t.Errorf("a threshold of 0 leaves %.0f pixels, 0.5 leaves %.0f", a, b)
	}
	if a, b := area("mask", "patch", "patch-size", "6"), area("mask", "patch", "patch-size", "12"); b < 2.5*a || b > 5*a {
		t.Errorf("a patch twice the size covers %.0f pixels instead of %.0f", b, a)
	}
	thin, wide := area("mask", "scratch", "scratch-width", "1"), area("mask", "scratch", "scratch-width", "3")
	if wide < 2*thin || wide > 5*thin {
		t.Errorf("a scratch three times as wide covers %.0f pixels instead of %.0f", wide, thin)
	}
	short, long := area("mask", "scratch", "scratch-length", "10"), area("mask", "scratch", "scratch-length", "40")
	if long < 2*short {
		t.Errorf("a scratch four times as long covers %.0f pixels instead of %.0f", long, short)
	}
}

func TestEveryModeChangesThePicture(t *testing.T) {
	for _, mode := range modeNames {
		s := maskOf(t, "mode", mode, "opacity", "1", "amplitude", "0.4", "contrast", "1.2", "family", "leather",
			"scene", "0", "sigma-x", "12", "sigma-y", "12")
		changed := 0
		for i := range s.Mask {
			if s.Image.Pix[3*i] != s.Clean.Pix[3*i] {
				changed++
			}
		}
		if s.Params.Defect.Mode != mode || changed < 200 {
			t.Errorf("%s: drew %s and changed %d pixels", mode, s.Params.Defect.Mode, changed)
		}
	}
}

func TestSetAndValidate(t *testing.T) {
	o := Defaults(64, 64)
	if err := o.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, p := range Parameters() { // what Value says, Set takes
		before := o
		if err := o.Set(p.Name, p.Value(&o)); err != nil || o != before {
			t.Errorf("%s: Set(Value) gives %v, or another value", p.Name, err)
		}
		for _, v := range p.Sweep(&o, 5) {
			q := o
			if err := q.Set(p.Name, v); err != nil {
				t.Errorf("%s: sweep value %q: %v", p.Name, v, err)
			}
		}
		if len(p.Needs)%2 != 0 {
			t.Errorf("%s: odd needs", p.Name)
		}
		for i := 0; i < len(p.Needs); i += 2 {
			q := o
			if err := q.Set(p.Needs[i], p.Needs[i+1]); err != nil {
				t.Errorf("%s: %v", p.Name, err)
			}
		}
	}
	for _, c := range [][3]string{
		{"sigma-y", "0", "is not in"},
		{"sigma-y", "5:2", "upside down"},
		{"sigma-y", "NaN", "is not in"},
		{"sigma-y", "two", "invalid syntax"},
		{"components", "1.5", "not whole"},
		{"components", "1:99", "is not in"},
		{"mask", "blob", "there are gmm, perlin"},
		{"mask", "gmm:0", "weights are zero"},
		{"mask", "gmm:-1", "not in"},
		{"mask", "gmm:1,gmm:0", "gmm is named twice"},
		{"dark", "2", "is not in 0..1"},
		{"amplitude", "0:1", "starts above 0"},
		{"nothing", "1", "unknown parameter"},
	} {
		before := o
		err := o.Set(c[0], c[1])
		if err == nil || !strings.Contains(err.Error(), c[2]) {
			t.Errorf("Set(%s, %s): %v, want ...%s...", c[0], c[1], err, c[2])
		}
		if o != before {
			t.Errorf("Set(%s, %s) failed and changed the options", c[0], c[1])
		}
	}
	o.Width = 8
	if _, err := New(o, nil); err == nil {
		t.Error("a width of 8 passes")
	}
}

// TestTheEndsOfEveryParameterRender holds the bounds of the table: nothing panics, scores stay
// in [0, 1], what has no score does not change.
func TestTheEndsOfEveryParameterRender(t *testing.T) {
	for _, p := range Parameters() {
		if p.Values != nil {
			continue
		}
		for _, v := range []float64{p.Low, p.High} {
			o := Defaults(33, 18)
			for i := 0; i < len(p.Needs); i += 2 {
				if err := o.Set(p.Needs[i], p.Needs[i+1]); err != nil {
					t.Fatal(err)
				}
			}
			if p.rng != nil {
				*p.rng(&o) = Range{v, v}
			} else {
				*p.number(&o) = v
			}
			g, err := New(o, swatches(t))
			if err != nil {
				t.Fatalf("%s = %v: %v", p.Name, v, err)
			}
			for seed := range uint64(3) {
				s := new(Sample)
				if err := g.Render(s, seed); err != nil {
					t.Fatal(err)
				}
				checkSample(t, s)
			}
		}
	}
}

// TestDocumentListsEveryParameter compares doc/synth.md with the table.
func TestDocumentListsEveryParameter(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "doc", "synth.md"))
	if err != nil {
		t.Fatal(err)
	}
	o := Defaults(128, 128)
	for _, p := range Parameters() {
		row := "| `" + p.Name + "` | " + p.Doc + " | " + p.Unit + " |"
		if !strings.Contains(string(doc), row) {
			t.Errorf("no row %q", row)
		}
		if !strings.Contains(string(doc), "| `"+p.Value(&o)+"` |") {
			t.Errorf("%s: the default %s is not there", p.Name, p.Value(&o))
		}
	}
}
