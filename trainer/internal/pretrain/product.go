package pretrain

import (
	"fmt"

	"cull/synth"
	"cull/trainer/internal/quantise"
)

// Sizes of the products on which int8 and float scores are compared.
const (
	productGood  = 24
	productClean = 16
	productBad   = 16
)

// products renders three procedural surfaces under one light each, with visible defects.
func products(size int) ([]quantise.Product, error) {
	var all []quantise.Product
	for i, family := range []string{"brushed", "leather", "concrete"} {
		o := synth.Defaults(size, size)
		for _, set := range [][2]string{
			{"family", family},
			{"source-share", "0"},
			{"scene", "0"},
			{"contrast", "1"},
			{"level", "0.5"},
			{"gamma", "1"},
			{"grey-picture", "0"},
			{"balance", "1"},
			{"amplitude", "0.2:0.4"},
			{"opacity", "0.3:0.8"},
		} {
			if err := o.Set(set[0], set[1]); err != nil {
				return nil, fmt.Errorf("pretrain: product %s: %w", family, err)
			}
		}
		g, err := synth.New(o, nil)
		if err != nil {
			return nil, fmt.Errorf("pretrain: product %s: %w", family, err)
		}
		p := quantise.Product{Name: family}
		var s synth.Sample
		for k := range productGood + productClean + productBad {
			if err := g.Render(&s, uint64(i)<<32+uint64(k)); err != nil {
				return nil, fmt.Errorf("pretrain: product %s: %w", family, err)
			}
			switch clean := append([]uint8(nil), s.Clean.Pix...); {
			case k < productGood:
				p.Good = append(p.Good, clean)
			case k < productGood+productClean:
				p.Clean = append(p.Clean, clean)
			default:
				p.Bad = append(p.Bad, append([]uint8(nil), s.Image.Pix...))
			}
		}
		all = append(all, p)
	}
	return all, nil
}
