package kernel

func norm2Half(w []byte, y []float32, d int) float32 { return norm2HalfGeneric(w, y, d) }

func norm2Single(w []byte, y []float32, d int) float32 { return norm2SingleGeneric(w, y, d) }
