package evaluate

import (
	"encoding/json"
	"math"

	"cull/internal/measure"
	"cull/internal/mirror"
)

// A Report is the answer of an evaluation. Its JSON is a stable format.
type Report struct {
	Protocol   Protocol   `json:"protocol"`
	Categories []Category `json:"categories"`
	Mean       Mean       `json:"mean"`
}

// A Protocol is what a figure depends on besides the pictures.
type Protocol struct {
	Size       int    `json:"size"` // input picture, pixels a side
	Crop       int    `json:"crop"` // always 0: nothing is cropped
	Mode       string `json:"mode"` // as asked for
	Seed       uint64 `json:"seed"`
	NetSHA256  string `json:"net_sha256"` // empty for controls
	Arithmetic string `json:"arithmetic"` // int8; float32 for filters
	Kernel     string `json:"kernel"`
	Features   string `json:"features"`
	Train      int    `json:"train"`      // at most so many training pictures; 0: all
	Light      Figure `json:"light"`      // change of light taught, stops
	Relit      Figure `json:"relit"`      // change of light of the test pictures, stops
	NoMirrors  bool   `json:"no_mirrors"` // as asked for; Category.Mirrors are those taught
}

// A Figure is a number whose JSON is null where it does not exist.
type Figure float64

// MarshalJSON writes NaN as null.
func (f Figure) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(f)) || math.IsInf(float64(f), 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(f))
}

// UnmarshalJSON reads null as NaN.
func (f *Figure) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*f = Figure(math.NaN())
		return nil
	}
	return json.Unmarshal(data, (*float64)(f))
}

// A Count is a rate with what it was counted from and its exact 95 % interval
// (Clopper-Pearson).
type Count struct {
	Count int    `json:"count"`
	Of    int    `json:"of"`
	Low   Figure `json:"low"`
	High  Figure `json:"high"`
}

func newCount(r measure.Rate) Count {
	low, high := r.ClopperPearson()
	return Count{r.Count, r.Of, Figure(low), Figure(high)}
}

// A Category is one row of the table.
type Category struct {
	Name      string `json:"name"`
	TrainGood int    `json:"train_good"` // taught from
	TestGood  int    `json:"test_good"`
	TestBad   int    `json:"test_bad"`

	ImageAUROC Figure `json:"image_auroc"`
	PixelAUROC Figure `json:"pixel_auroc"` // null unless all kinds of defects have masks, as AUPRO
	AUPRO30    Figure `json:"aupro30"`
	F1Max      Figure `json:"f1_max"` // over all thresholds, knowing the bad parts

	// Shift is how often a good test part scores higher than a good training part that was left out of the model: 0.5 where
	// unseen good parts look as the taught ones do.
	Shift Figure `json:"shift_auroc"`

	// Threshold comes from good training parts alone.
	Threshold        Figure  `json:"threshold"`
	TargetFRR        float64 `json:"target_frr"`
	FRR              Figure  `json:"frr"` // realised on the test set
	EscapeRate       Figure  `json:"escape_rate"`
	FRRAtZeroEscapes Figure  `json:"frr_at_zero_escapes"`
	Mode             string  `json:"mode"` // as chosen
	MSPerImageP50    Figure  `json:"ms_per_image_p50"`
	MSPerImageP99    Figure  `json:"ms_per_image_p99"`
	Defects          Defects `json:"defects"`
	ImageAUROCLow    Figure  `json:"image_auroc_low"` // 95 % interval, DeLong
	ImageAUROCHigh   Figure  `json:"image_auroc_high"`
	AveragePrecision Figure  `json:"average_precision"`
	AUPRO05          Figure  `json:"aupro05"`
	FalseRejects     Count   `json:"false_rejects"`
	Escapes          Count   `json:"escapes"`
	FalseAtZero      Count   `json:"false_rejects_at_zero_escapes"`
	TrainAvailable   int     `json:"train_available"`
	ThresholdMethod  string  `json:"threshold_method"`
	PromisedFRR      Figure  `json:"promised_frr"`
	PromisedFRRLow   Figure  `json:"promised_frr_low"`
	PromisedFRRHigh  Figure  `json:"promised_frr_high"`
	SecondsTeach     float64 `json:"seconds_teach"`
	// Copies of the good parts' pictures are the same as others to the bit, and were not taught.
	Copies int `json:"copies,omitempty"`
	// Mirrors are those in which good parts were taught too.
	Mirrors []mirror.Mirror `json:"mirrors,omitempty"`

	// Unmasked are the kinds of defects without masks. Where there are any, the category has no pixel figures.
	Unmasked []string `json:"kinds_without_masks,omitempty"`

	// Statistics are the image AUROC of single grey numbers, features grey only:
	// below 0.5 where bad parts have the lower number. The best of them, turned
	// round where that helps, knows the bad parts.
	Statistics map[string]Figure `json:"statistics,omitempty"`
}

// Defects are figures by kind of defect.
type Defects map[string]Defect

// A Defect is one kind of defect against all good test parts.
type Defect struct {
	N          int    `json:"n"`
	ImageAUROC Figure `json:"image_auroc"`
	Shift      Figure `json:"shift_auroc"` // against left-out good training parts, as Category.Shift
}

// Mean is over the categories that have the figure.
type Mean struct {
	ImageAUROC Figure `json:"image_auroc"`
	PixelAUROC Figure `json:"pixel_auroc"`
	AUPRO30    Figure `json:"aupro30"`
}

// MeanOf is the mean over the categories that have the figure.
func MeanOf(cs []Category) Mean {
	mean := func(of func(*Category) Figure) Figure {
		var sum, n float64
		for i := range cs {
			if v := float64(of(&cs[i])); !math.IsNaN(v) {
				sum += v
				n++
			}
		}
		return Figure(sum / n)
	}
	return Mean{
		ImageAUROC: mean(func(c *Category) Figure { return c.ImageAUROC }),
		PixelAUROC: mean(func(c *Category) Figure { return c.PixelAUROC }),
		AUPRO30:    mean(func(c *Category) Figure { return c.AUPRO30 }),
	}
}

// judge fills in the figures that follow from image scores and from those of left-out training parts.
func (c *Category) judge(scores []score, leftOut []float32, threshold float64) {
	var good, bad []float64
	kinds := map[string][]float64{}
	var falseRejects, escapes measure.Rate
	for _, s := range scores {
		if s.item.Good {
			good = append(good, s.value)
			if !(s.value <= threshold) {
				falseRejects.Count++
			}
			continue
		}
		bad = append(bad, s.value)
		kinds[s.item.Kind] = append(kinds[s.item.Kind], s.value)
		if s.value <= threshold {
			escapes.Count++
		}
	}
	falseRejects.Of, escapes.Of = len(good), len(bad)
	c.TestGood, c.TestBad = len(good), len(bad)
	c.ImageAUROC = Figure(measure.AUROC(good, bad))
	taught := make([]float64, len(leftOut))
	for i, s := range leftOut {
		taught[i] = float64(s)
	}
	c.Shift = Figure(measure.AUROC(taught, good))
	low, high := measure.AUROCInterval(good, bad)
	c.ImageAUROCLow, c.ImageAUROCHigh = Figure(low), Figure(high)
	c.AveragePrecision = Figure(measure.AveragePrecision(good, bad))
	f1, _ := measure.F1Max(good, bad)
	c.F1Max = Figure(f1)
	c.Threshold = Figure(threshold)
	zero := measure.FRRAtZeroEscapes(good, bad)
	c.FRR, c.FalseRejects = Figure(falseRejects.Value()), newCount(falseRejects)
	c.EscapeRate, c.Escapes = Figure(escapes.Value()), newCount(escapes)
	c.FRRAtZeroEscapes, c.FalseAtZero = Figure(zero.Value()), newCount(zero)
	c.Defects = Defects{}
	for kind, s := range kinds {
		c.Defects[kind] = Defect{len(s), Figure(measure.AUROC(good, s)), Figure(measure.AUROC(taught, s))}
	}
}
