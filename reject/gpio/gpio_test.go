//go:build linux

package gpio

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"

	"cull/reject"

	"golang.org/x/sys/unix"
	periph "periph.io/x/conn/v3/gpio"
)

// Sizes and offsets as gcc prints them for <linux/gpio.h>.
func TestLayout(t *testing.T) {
	for _, c := range []struct {
		name      string
		got, want uintptr
	}{
		{"chip info", unsafe.Sizeof(chipInfo{}), 68},
		{"attribute", unsafe.Sizeof(lineAttr{}), 16},
		{"config", unsafe.Sizeof(lineConfig{}), 272},
		{"config.attrs", unsafe.Offsetof(lineConfig{}.attr), 32},
		{"request", unsafe.Sizeof(lineRequest{}), 592},
		{"request.config", unsafe.Offsetof(lineRequest{}.config), 288},
		{"request.num_lines", unsafe.Offsetof(lineRequest{}.lines), 560},
		{"request.fd", unsafe.Offsetof(lineRequest{}.fd), 588},
		{"values", unsafe.Sizeof(lineValues{}), 16},
		{"info", unsafe.Sizeof(lineInfo{}), 256},
		{"info.offset", unsafe.Offsetof(lineInfo{}.offset), 64},
		{"info.flags", unsafe.Offsetof(lineInfo{}.flags), 72},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", c.name, c.got, c.want)
		}
	}
	if getChipInfo != 0x8044b401 || getLineInfo != 0xc100b405 || getLine != 0xc250b407 || getValues != 0xc010b40e || setValues != 0xc010b40f {
		t.Errorf("ioctl numbers %#x %#x %#x %#x %#x", getChipInfo, getLineInfo, getLine, getValues, setValues)
	}
}

// A chip is a scripted one: lines L0 to L3, a value each, and its one reader's edges.
type chip struct {
	label  string
	refuse error // of a request
	stuck  bool  // values stay as they are
	last   lineRequest
	value  uint64
	edges  chan []byte
	files  int
}

func (c *chip) Read(b []byte) (int, error) {
	e := <-c.edges
	if e == nil {
		return 0, os.ErrDeadlineExceeded
	}
	return copy(b, e), nil
}

func (c *chip) SetReadDeadline(t time.Time) error {
	if !t.IsZero() {
		c.edges <- nil
	}
	return nil
}

func (c *chip) waiting() bool { return len(c.edges) > 0 }
func (c *chip) Close() error  { c.files--; return nil }

func (c *chip) ioctl(op uintptr, arg unsafe.Pointer) error {
	switch op {
	case getChipInfo:
		copy((*chipInfo)(arg).label[:], c.label)
		(*chipInfo)(arg).lines = 4
	case getLineInfo:
		i := (*lineInfo)(arg)
		copy(i.name[:], "L"+string(rune('0'+i.offset)))
		copy(i.consumer[:], "someone")
	case getLine:
		if c.refuse != nil {
			return c.refuse
		}
		c.last = *(*lineRequest)(arg)
		if a := c.last.config.attr[0]; a.attr.id == attrValues && !c.stuck {
			c.value = a.attr.value
		}
		c.files++
	case setValues:
		if !c.stuck {
			c.value = (*lineValues)(arg).bits
		}
	case getValues:
		(*lineValues)(arg).bits = c.value
	}
	return nil
}

// fake is a kernel whose chips are these.
func fake(t *testing.T, chips ...*chip) kernel {
	t.Helper()
	dev := t.TempDir()
	byPath := map[string]*chip{}
	for i, c := range chips {
		p := filepath.Join(dev, "gpiochip"+string(rune('0'+i)))
		if err := os.WriteFile(p, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		byPath[p] = c
	}
	return kernel{dev, func(p string) (file, error) {
		byPath[p].files++
		return byPath[p], nil
	}, func(int) file { return chips[0] }}
}

// A chip that this user may not open is not a chip without the line.
func TestFindBehindAChipThatIsForbidden(t *testing.T) {
	k := fake(t, &chip{label: "other"}, &chip{label: "pinctrl-rp1"})
	open := k.open
	k.open = func(p string) (file, error) {
		if strings.HasSuffix(p, "1") {
			return nil, unix.EACCES
		}
		return open(p)
	}
	if _, err := k.find("pinctrl-rp1:2"); !errors.Is(err, ErrPermission) || !strings.Contains(err.Error(), "other") {
		t.Errorf("err = %v", err)
	}
	if _, err := k.find("other:2"); err != nil {
		t.Errorf("a line of a chip that can be opened: %v", err)
	}
}

func TestFindByLabelAndName(t *testing.T) {
	k := fake(t, &chip{label: "pinctrl-rp1"}, &chip{label: "other"})
	if err := os.Symlink("gpiochip0", filepath.Join(k.dev, "gpiochip4")); err != nil { // as on a Pi 5
		t.Fatal(err)
	}
	for ref, want := range map[string]int{"pinctrl-rp1:2": 2, "other:L3": 3, k.dev + "/gpiochip1:L1": 1, k.dev + "/gpiochip4:2": 2} {
		if l, err := k.find(ref); err != nil || l.Offset != want {
			t.Errorf("%s: %+v %v", ref, l, err)
		}
	}
	if _, err := fake(t).find("L1"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "has no GPIO chip") {
		t.Errorf("no chip: %v", err)
	}
	if _, err := k.find("L1"); err == nil || !strings.Contains(err.Error(), "pinctrl-rp1:1") {
		t.Errorf("ambiguous name: %v", err)
	}
	for _, ref := range []string{"L9", "other:9", "none:1", "", "other:"} {
		if _, err := k.find(ref); err == nil {
			t.Errorf("%q was found", ref)
		}
	}
	if _, err := k.find("none:1"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "pinctrl-rp1, other") {
		t.Error(err)
	}
}

func TestOutputRequestHasInitialValueAndPolarity(t *testing.T) {
	c := &chip{label: "c"}
	o, err := fake(t, c).openOutput("c:1", OutputConfig{Consumer: "cull reject", ActiveLow: true, Active: true, Bias: PullUp})
	if err != nil {
		t.Fatal(err)
	}
	r := c.last
	if r.config.flags != flagOutput|flagActiveLow|flagPullUp || r.config.attrs != 1 || r.config.attr[0] != (configAttr{lineAttr{id: attrValues, value: 1}, 1}) ||
		r.offsets[0] != 1 || unix.ByteSliceToString(r.consumer[:]) != "cull reject" {
		t.Errorf("request %+v", r)
	}
	var _ reject.Line = o
	if err := o.Out(periph.High); err != nil || c.value != 0 {
		t.Errorf("high on an active-low line: value %d, %v", c.value, err)
	}
	if err := o.Set(true); err != nil || c.value != 1 {
		t.Errorf("active: value %d, %v", c.value, err)
	}
	if err := o.Halt(); err != nil || c.value != 0 {
		t.Errorf("halt: value %d, %v", c.value, err)
	}
	c.stuck = true
	if err := o.Set(true); !errors.Is(err, ErrReadBack) {
		t.Errorf("a stuck output: %v", err)
	}
	o.Close()
	if c.files != 0 {
		t.Errorf("%d files open", c.files)
	}
}

func TestStuckOutputIsRefused(t *testing.T) {
	c := &chip{label: "c", stuck: true}
	if _, err := fake(t, c).openOutput("c:1", OutputConfig{Active: true}); !errors.Is(err, ErrReadBack) || c.files != 0 {
		t.Errorf("%v, %d files open", err, c.files)
	}
}

func TestBusyAndPermissionAreKeptApart(t *testing.T) {
	for errno, want := range map[error]error{unix.EBUSY: ErrBusy, unix.EPERM: ErrPermission, unix.EACCES: ErrPermission} {
		c := &chip{label: "c", refuse: errno}
		_, err := fake(t, c).openOutput("c:1", OutputConfig{})
		if !errors.Is(err, want) || !errors.Is(err, errno) || errors.Is(err, ErrBusy) && !strings.Contains(err.Error(), "someone") {
			t.Errorf("%v: %v", errno, err)
		}
	}
}

func event(at time.Duration, id, seq uint32) []byte {
	b := binary.NativeEndian.AppendUint64(nil, uint64(at))
	for _, v := range []uint32{id, 1, seq, seq, 0, 0, 0, 0, 0, 0} {
		b = binary.NativeEndian.AppendUint32(b, v)
	}
	return b
}

func TestEdgesShowGaps(t *testing.T) {
	c := &chip{label: "c", edges: make(chan []byte, 4)}
	in, err := fake(t, c).openInput("c:1", InputConfig{Edges: Rising, Debounce: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if r := c.last; r.config.flags != flagInput|flagRising || r.config.attr[0].attr != (lineAttr{id: attrDebounce, value: 1000}) || r.events != 256 {
		t.Errorf("request %+v", r)
	}
	c.edges <- append(event(5, eventRising, 1), event(9, 2, 2)...)
	c.edges <- event(20, eventRising, 7)
	for _, want := range []Edge{{5, 1, 0, true}, {9, 2, 0, false}, {20, 7, 4, true}} {
		if e, err := in.Next(t.Context()); err != nil || e != want {
			t.Errorf("%+v %v, want %+v", e, err, want)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := in.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	c.edges <- make([]byte, 10)
	if _, err := in.Next(t.Context()); err == nil {
		t.Error("a torn event was accepted")
	}
}

// Edges that came with the one that Next has returned wait as those do that are in the kernel still.
func TestEdgesOfOneReadWait(t *testing.T) {
	c := &chip{label: "c", edges: make(chan []byte, 4)}
	in, err := fake(t, c).openInput("c:1", InputConfig{Edges: Rising})
	if err != nil {
		t.Fatal(err)
	}
	c.edges <- append(event(5, eventRising, 1), event(9, eventRising, 2)...)
	for _, waits := range []bool{true, false} {
		if _, err := in.Next(t.Context()); err != nil || in.Waiting() != waits {
			t.Errorf("waiting %t, want %t, %v", in.Waiting(), waits, err)
		}
	}
}

func TestOpenInputRefuses(t *testing.T) {
	for _, c := range []InputConfig{{Debounce: -1}, {Debounce: 1}, {Buffer: -1}, {Buffer: 2000}, {Edges: 4}, {Bias: 9}} {
		if _, err := fake(t, &chip{label: "c"}).openInput("c:1", c); err == nil {
			t.Errorf("%+v accepted", c)
		}
	}
}
