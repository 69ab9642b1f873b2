package weights

import (
	"os"
	"testing"

	"cull/infer"
)

func TestFilesReproduceTheirAnswersAndNameTheirSources(t *testing.T) {
	long, err := os.ReadFile("cull-320k.net")
	if err != nil {
		t.Fatal(err)
	}
	var graphs [3]string
	for i, b := range [][]byte{Cull(), Random(), long} {
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
	if graphs[0] != graphs[1] || graphs[0] != graphs[2] {
		t.Error("the control, or the long run's, is not the same network")
	}
}
