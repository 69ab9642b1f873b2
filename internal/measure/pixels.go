package measure

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Pixels collects the score maps and ground truth of a test set for the pixel
// figures. They are exact: every score is kept, four bytes a normal pixel and
// sixteen a defective one.
type Pixels struct {
	normal  []uint32 // order-preserving bits of the score
	defect  []defectPixel
	regions int
	sorted  bool
}

type defectPixel struct {
	key    uint32
	weight float64 // 1/size of its region
}

// ErrScore reports a score that is not a number.
var ErrScore = errors.New("score is not a number")

// Add takes a picture's map, scores [h][w], and its ground truth, true where
// defective; nil for a good picture. Neither is kept. Regions are the
// 8-connected components of the mask, as in MVTec AD's own evaluation.
func (p *Pixels) Add(scores []float32, mask []bool, w, h int) error {
	if len(scores) != w*h || mask != nil && len(mask) != w*h {
		panic("measure: map, mask and size differ")
	}
	for i, s := range scores {
		if s != s {
			return fmt.Errorf("measure: pixel %d,%d: %w", i%w, i/w, ErrScore)
		}
	}
	p.sorted = false
	p.normal = slices.Grow(p.normal, len(scores))
	for i, s := range scores {
		if mask == nil || !mask[i] {
			p.normal = append(p.normal, key(s))
		}
	}
	if mask == nil {
		return nil
	}
	for _, region := range components(mask, w, h) {
		p.regions++
		for _, i := range region {
			p.defect = append(p.defect, defectPixel{key(scores[i]), 1 / float64(len(region))})
		}
	}
	return nil
}

// key maps a float to an integer of the same order; -0 is made 0.
func key(s float32) uint32 {
	b := math.Float32bits(s + 0)
	if b>>31 != 0 {
		return ^b
	}
	return b | 1<<31
}

// Regions returns how many defective regions were added.
func (p *Pixels) Regions() int { return p.regions }

func (p *Pixels) sort() {
	if p.sorted {
		return
	}
	radixSort(p.normal)
	slices.SortFunc(p.defect, func(a, b defectPixel) int {
		switch {
		case a.key < b.key:
			return -1
		case a.key > b.key:
			return 1
		}
		return 0
	})
	p.sorted = true
}

// AUROC returns the area under the curve of all pixels of all pictures, good
// ones included.
func (p *Pixels) AUROC() float64 {
	if len(p.normal) == 0 || len(p.defect) == 0 {
		return math.NaN()
	}
	p.sort()
	var sum float64
	lo, hi := 0, 0 // normal pixels less than, and at most, the defect's score
	for _, d := range p.defect {
		for lo < len(p.normal) && p.normal[lo] < d.key {
			lo++
		}
		hi = max(hi, lo)
		for hi < len(p.normal) && p.normal[hi] == d.key {
			hi++
		}
		sum += float64(lo) + float64(float64(hi-lo)/2)
	}
	return sum / float64(len(p.normal)) / float64(len(p.defect))
}

// AUPRO returns the area under the per-region overlap curve up to a false
// positive rate of limit, divided by limit (Bergmann et al., IJCV 2021): the mean
// over regions of the share found, against the share of all normal pixels
// called defective, by trapezoids, the last cut at limit.
func (p *Pixels) AUPRO(limit float64) float64 {
	if len(p.normal) == 0 || len(p.defect) == 0 {
		return math.NaN()
	}
	p.sort()
	var area, overlap, fpr float64
	n, d := len(p.normal), len(p.defect)
	for n > 0 || d > 0 {
		var k uint32 // the next lower score
		if n > 0 {
			k = p.normal[n-1]
		}
		if d > 0 {
			k = max(k, p.defect[d-1].key)
		}
		was := overlap
		for d > 0 && p.defect[d-1].key == k {
			d--
			overlap += p.defect[d].weight / float64(p.regions)
		}
		for n > 0 && p.normal[n-1] == k {
			n--
		}
		next := 1 - float64(n)/float64(len(p.normal))
		if next >= limit {
			if next > fpr {
				at := was + (overlap-was)*(limit-fpr)/(next-fpr)
				area += float64((limit - fpr) * (was + at) / 2)
			}
			break
		}
		area += float64((next - fpr) * (was + overlap) / 2)
		fpr = next
	}
	return area / limit
}

// components returns the pixels of every 8-connected component of mask.
func components(mask []bool, w, h int) [][]int {
	var regions [][]int
	seen := make([]bool, len(mask))
	for start, on := range mask {
		if !on || seen[start] {
			continue
		}
		seen[start] = true
		region := []int{start}
		for next := 0; next < len(region); next++ {
			x0, y0 := region[next]%w, region[next]/w
			for y := max(0, y0-1); y <= min(h-1, y0+1); y++ {
				for x := max(0, x0-1); x <= min(w-1, x0+1); x++ {
					if i := y*w + x; mask[i] && !seen[i] {
						seen[i] = true
						region = append(region, i)
					}
				}
			}
		}
		regions = append(regions, region)
	}
	return regions
}

// radixSort sorts in place, most significant byte first.
func radixSort(a []uint32) { radixSortByte(a, 24) }

func radixSortByte(a []uint32, shift uint) {
	if len(a) < 256 {
		slices.Sort(a)
		return
	}
	var end, next [256]int
	for _, v := range a {
		end[v>>shift&255]++
	}
	at := 0
	for b, n := range end {
		next[b] = at
		at += n
		end[b] = at
	}
	for b := range 256 {
		for next[b] < end[b] {
			v := a[next[b]]
			for to := int(v >> shift & 255); to != b; to = int(v >> shift & 255) {
				v, a[next[to]] = a[next[to]], v
				next[to]++
			}
			a[next[b]] = v
			next[b]++
		}
	}
	if shift == 0 {
		return
	}
	from := 0
	for _, to := range end {
		radixSortByte(a[from:to], shift-8)
		from = to
	}
}
