package inspect

import (
	"crypto/sha256"
	"fmt"

	"cull/padim"
)

// Repeats finds pictures that are there more than once, by their digests: a copied file, or a frame that a camera repeats. Left
// out, such a part would leave its twin in the model: left-out scores, and the threshold with them, would be far below those of
// unseen parts.
type Repeats struct {
	names map[[sha256.Size]byte]string // of the first with that picture
}

// Add takes the input picture of the part of that name. It returns the name of the first with the same picture, and whether
// there was one.
func (r *Repeats) Add(pic []int8, name string) (first string, again bool) {
	if r.names == nil {
		r.names = map[[sha256.Size]byte]string{}
	}
	digest := sha256.Sum256(bytesOf(pic))
	if first, again = r.names[digest]; !again {
		r.names[digest] = name
	}
	return first, again
}

// Enough reports too few good parts left, so many of all their pictures, to teach from.
func Enough(parts, pictures int) error {
	switch {
	case parts >= padim.MinParts:
		return nil
	case parts == 1 && pictures >= padim.MinParts: // fewer are an error of their own
		return fmt.Errorf("%d pictures: %w", pictures, ErrSame)
	case parts < pictures:
		return fmt.Errorf("%d of %d pictures are copies: %w", pictures-parts, pictures, Enough(parts, parts))
	}
	return fmt.Errorf("%d good parts, at least %d needed: %w", parts, padim.MinParts, padim.ErrTooFew)
}
