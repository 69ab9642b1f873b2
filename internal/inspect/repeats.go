package inspect

import (
	"crypto/sha256"
	"fmt"
)

// repeats finds pictures that are there more than once, by their digests.
type repeats struct {
	names       map[[sha256.Size]byte]string // of the first with that picture
	n, copies   int
	copy, first string // the first copy, and the picture it is one of
}

// add takes the input picture of the part of that name.
func (r *repeats) add(pic []int8, name string) {
	if r.names == nil {
		r.names = map[[sha256.Size]byte]string{}
	}
	r.n++
	digest := sha256.Sum256(bytesOf(pic))
	of, known := r.names[digest]
	if !known {
		r.names[digest] = name
		return
	}
	if r.copies++; r.copies == 1 {
		r.first, r.copy = of, name
	}
}

// err is nil where no picture was there twice.
func (r *repeats) err() error {
	switch r.copies {
	case 0:
		return nil
	case r.n - 1:
		return fmt.Errorf("inspect: %d pictures: %w", r.n, ErrSame)
	}
	return fmt.Errorf("inspect: %s: %w as %s, %d of %d are copies", r.copy, ErrTwice, r.first, r.copies, r.n)
}
