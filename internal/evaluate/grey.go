package evaluate

import (
	"context"
	"math"
	"time"

	"cull/infer/prep"
	"cull/internal/control"
	"cull/internal/imagefile"
	"cull/internal/inspect"
	"cull/internal/measure"
	"cull/padim"
)

// A greyModel knows mean and standard deviation of each grey statistic over
// good parts.
type greyModel struct {
	mean, sd [len(control.Statistics)]float64
}

func newGreyModel(rows [][len(control.Statistics)]float64, without int) greyModel {
	var m greyModel
	n := 0.0
	for i, row := range rows {
		if i == without {
			continue
		}
		n++
		for k, v := range row {
			d := v - m.mean[k]
			m.mean[k] += d / n
			m.sd[k] += float64(d * (v - m.mean[k]))
		}
	}
	for k := range m.sd {
		m.sd[k] = math.Sqrt(m.sd[k]/(n-1)) + 0.25 // quantisation of grey levels
	}
	return m
}

// score is the largest deviation of any statistic, in standard deviations.
func (m *greyModel) score(row [len(control.Statistics)]float64) float64 {
	worst := 0.0
	for k, v := range row {
		worst = max(worst, math.Abs(v-m.mean[k])/m.sd[k])
	}
	return worst
}

// grey evaluates the grey statistics: no features, no PaDiM, no map.
func (r *run) grey(ctx context.Context, c *Category) error {
	start := time.Now()
	var rows [][len(control.Statistics)]float64
	var seen inspect.Repeats
	err := r.pictures(ctx, r.train, "teach", func(pic []int8) {
		if _, again := seen.Add(pic, ""); again {
			return
		}
		rows = append(rows, control.Grey(pic, r.Size, r.Size))
	})
	if err != nil {
		return err
	}
	if err := inspect.Enough(len(rows), len(r.train)); err != nil {
		return err
	}
	r.count(c, len(rows))
	leftOut := make([]float32, len(rows))
	for i, row := range rows {
		m := newGreyModel(rows, i)
		leftOut[i] = float32(m.score(row))
	}
	target := c.TargetFRR
	if target == 0 {
		target = 0.01
	}
	t, err := padim.NewThreshold(leftOut, target, padim.LeaveOneOut)
	if err != nil {
		return err
	}
	c.SecondsTeach = time.Since(start).Seconds()
	c.Mode, c.TargetFRR = "grey", target
	c.promise(t)
	return r.testGrey(ctx, c, newGreyModel(rows, -1), leftOut, float64(t.Value))
}

func (r *run) testGrey(ctx context.Context, c *Category, m greyModel, leftOut []float32, threshold float64) error {
	p, err := prep.New(r.plan())
	if err != nil {
		return err
	}
	pic := make([]int8, r.Size*r.Size*3)
	var scores []score
	var times []float64
	relight := r.relighter()
	var good, bad [len(control.Statistics)][]float64
	for i, it := range r.set.Test {
		if err := ctx.Err(); err != nil {
			return err
		}
		f, err := imagefile.Read(it.Path)
		if err != nil {
			return err
		}
		start := time.Now()
		if err := p.Apply(pic, f); err != nil {
			return err
		}
		relight(pic, i)
		row := control.Grey(pic, r.Size, r.Size)
		scores = append(scores, r.scored(it, m.score(row)))
		times = append(times, time.Since(start).Seconds()*1e3)
		for k, v := range row {
			if it.Good {
				good[k] = append(good[k], v)
			} else {
				bad[k] = append(bad[k], v)
			}
		}
		r.progress("test", i+1, len(r.set.Test))
	}
	c.judge(scores, leftOut, threshold)
	c.latency(times)
	c.Statistics = map[string]Figure{}
	for k, name := range control.Statistics {
		c.Statistics[name] = Figure(measure.AUROC(good[k], bad[k]))
	}
	return nil
}
