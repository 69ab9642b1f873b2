package weights

import (
	"testing"

	"cull/infer"
)

func TestFilesReproduceTheirAnswersAndNameTheirSources(t *testing.T) {
	var graphs [2]string
	for i, b := range [][]byte{Cull(), Random()} {
		m, err := infer.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.SelfTest(2); err != nil {
			t.Error(err)
		}
		if len(m.Answers) == 0 || len(m.Meta.Sources) == 0 || m.Meta.Recipe == "" {
			t.Errorf("%s: %d answers, %d sources, recipe of %d bytes",
				m.Meta.Name, len(m.Answers), len(m.Meta.Sources), len(m.Meta.Recipe))
		}
		g, err := m.Graph.Encode()
		if err != nil {
			t.Fatal(err)
		}
		graphs[i] = string(g)
	}
	if graphs[0] != graphs[1] {
		t.Error("the control is not the same network")
	}
}
