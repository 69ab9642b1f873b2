package pretrain

import (
	"fmt"
	"math"
	"math/rand/v2"
	"path"
	"path/filepath"
	"strings"

	"cull/synth"
	"cull/trainer/internal/recipe"
)

// An origin is where samples come from.
type origin struct {
	source  synth.Source // nil: procedural surfaces only
	classes classes      // nil: the surfaces have none
	held    bool         // pictures only: their number is small and they are what is asked about
	bare    bool         // no surface has an object of another one on it
}

func (o origin) options(r *recipe.Recipe, size int) (synth.Options, error) {
	opts, err := r.Options(size)
	if err == nil && o.held {
		err = opts.Set("source-share", "1")
	}
	if err == nil && o.bare {
		err = opts.Set("scene", "0")
	}
	return opts, err
}

// openData divides the pictures into those trained on and those held out.
func (r *Run) openData(source synth.Source) (err error) {
	r.train.source, r.validation.source = source, source
	if share := r.Recipe.Data.Holdout; share > 0 && source != nil {
		train, held, err := split(source, share, r.Recipe.Seed, r.Recipe.Loss.Class > 0)
		if err != nil {
			return err
		}
		r.train.source = newPart(source, train)
		r.validation = origin{source: newPart(source, held), held: true}
		r.record.Curve.Held = len(held)
	}
	if r.train.classes, err = classesOf(r.Recipe, r.train.source); err != nil {
		return err
	}
	r.validation.classes, err = classesOf(r.Recipe, r.validation.source)
	return err
}

// named is a source that knows its pictures' files.
type named interface {
	synth.Source
	Name(i int) string
}

// fewMaterials: below so many, pictures are held out one by one.
const fewMaterials = 10

// split draws the pictures that are never trained on: a share of the materials, so that
// near duplicates stay on one side. A material is the files of one folder that differ in
// a trailing number only. Where classes are learnt, or there are few materials, every
// picture stands alone. The draw depends on the seed and the names.
func split(s synth.Source, share float64, seed int64, classes bool) (train, held []int, err error) {
	group, n := materials(s, classes)
	k := int(math.Round(share * float64(n)))
	if n < 2 || k >= n {
		return nil, nil, fmt.Errorf("pretrain: data.holdout %v: %d materials leave nothing to train on", share, n)
	}
	out := make([]bool, n)
	for _, g := range rand.New(rand.NewPCG(uint64(seed), 0x686f6c64)).Perm(n)[:max(1, k)] { // "hold"
		out[g] = true
	}
	for i, g := range group {
		if out[g] {
			held = append(held, i)
		} else {
			train = append(train, i)
		}
	}
	return train, held, nil
}

// materials numbers the material of each picture, and counts them.
func materials(s synth.Source, single bool) (group []int, n int) {
	group = make([]int, s.Len())
	if files, ok := s.(named); ok && !single {
		number := map[string]int{}
		for i := range group {
			m := material(files.Name(i))
			if _, ok := number[m]; !ok {
				number[m] = len(number)
			}
			group[i] = number[m]
		}
		if len(number) >= fewMaterials {
			return group, len(number)
		}
	}
	for i := range group {
		group[i] = i
	}
	return group, len(group)
}

// material is a file name without extension and trailing number: "a/Asphalt_012.png" is "a/Asphalt".
func material(name string) string {
	name = filepath.ToSlash(name)
	stem := strings.TrimSuffix(name, path.Ext(name))
	short := strings.TrimRight(strings.TrimRight(stem, "0123456789"), "_-. ")
	if short == "" || strings.HasSuffix(short, "/") { // nothing but a number
		return stem
	}
	return short
}

// A part is some pictures of a source.
type part struct {
	source synth.Source
	index  []int
}

func (p *part) Len() int                              { return len(p.index) }
func (p *part) Texture(i int) (*synth.Texture, error) { return p.source.Texture(p.index[i]) }

// A labelledPart is some pictures of a source with classes; it keeps all of them.
type labelledPart struct {
	part
	labels labelled
}

func (p *labelledPart) Classes() int    { return p.labels.Classes() }
func (p *labelledPart) Class(i int) int { return p.labels.Class(p.index[i]) }

func newPart(s synth.Source, index []int) synth.Source {
	if l, ok := s.(labelled); ok {
		return &labelledPart{part{s, index}, l}
	}
	return &part{s, index}
}
