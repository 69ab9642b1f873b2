package pictures

import (
	"context"
	"errors"
	"fmt"
	"io"

	"cull/capture"
	"cull/infer/prep"
)

// Prepare brings every frame of src to size x size pixels, RGB, as the device does.
func Prepare(ctx context.Context, src capture.Source, size int) (all [][]uint8, err error) {
	p, err := prep.New(prep.Plan{Width: size, Height: size})
	if err != nil {
		return nil, fmt.Errorf("pictures: %w", err)
	}
	pic := make([]int8, size*size*3)
	for {
		f, err := src.Next(ctx)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		err = p.Apply(pic, f)
		f.Release()
		if err != nil {
			return nil, err
		}
		rgb := make([]uint8, len(pic))
		for i, v := range pic {
			rgb[i] = uint8(int(v) + 128)
		}
		all = append(all, rgb)
	}
}
