package inspect

import "crypto/sha256"

// repeats finds pictures that are there more than once, by their digests: a copied file, or a frame that a camera repeats. Left
// out, such a part would leave its twin in the model: left-out scores, and the threshold with them, would be far below those of
// unseen parts.
type repeats struct {
	names map[[sha256.Size]byte]string // of the first with that picture
}

// add takes the input picture of the part of that name. It returns the name of the first with the same picture, and whether
// there was one.
func (r *repeats) add(pic []int8, name string) (first string, again bool) {
	if r.names == nil {
		r.names = map[[sha256.Size]byte]string{}
	}
	digest := sha256.Sum256(bytesOf(pic))
	if first, again = r.names[digest]; !again {
		r.names[digest] = name
	}
	return first, again
}
