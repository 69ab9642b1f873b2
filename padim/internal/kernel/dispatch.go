package kernel

func norm2Half(w []uint16, y []float32, d int) float32 { return norm2HalfGeneric(w, y, d) }

func norm2Single(w, y []float32, d int) float32 { return norm2SingleGeneric(w, y, d) }
