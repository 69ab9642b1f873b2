//go:build linux

// Command bed is the surroundings of the daemon in the emulated machine of `make testbed`: it draws
// the pictures that a product is taught from and that parts show, feeds chosen ones through
// v4l2loopback, triggers the sensor's line, and watches the reject line of gpio-sim.
//
//	bed draw good|parts COUNT DIR
//	bed belt -device /dev/video10 -sim SYSFS PICTURE=pass|reject...
//	bed belt -vivid -device DEVICE -sim SYSFS plain|square=pass|reject...
//	bed vivid DEVICE
//	bed grab DEVICE COUNT DIR
//	bed control DEVICE ID VALUE
//	bed hang -sim SYSFS PID
//	bed account [-sent FILE [-storm]] [-want PASS,REJECT,STOP] DIR
//
// Times that it prints are the emulation's, never a board's.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"cull/capture"
	"cull/device/internal/sim"
	"cull/synth"
)

const side = 128 // of a picture, pixels

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bed:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 4 && args[0] == "draw":
		n, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		return draw(args[1] == "good", n, args[3])
	case len(args) == 4 && args[0] == "control":
		id, err := strconv.ParseUint(args[2], 0, 32)
		if err != nil {
			return err
		}
		value, err := strconv.ParseInt(args[3], 0, 32)
		if err != nil {
			return err
		}
		return setControl(args[1], uint32(id), int32(value))
	case len(args) > 1 && args[0] == "belt":
		return belt(args[1:])
	case len(args) == 2 && args[0] == "vivid":
		return prepareVivid(args[1])
	case len(args) == 4 && args[0] == "grab":
		n, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		return grab(args[1], n, args[3])
	case len(args) == 4 && args[0] == "hang":
		fs := flag.NewFlagSet("hang", flag.ContinueOnError)
		simDir := fs.String("sim", "", "sysfs folder of the gpio-sim chip")
		if err := fs.Parse(args[1:]); err != nil {
			return err
		}
		pid, err := strconv.Atoi(fs.Arg(0))
		if err != nil {
			return err
		}
		return hang(pid, line{*simDir, 5})
	case len(args) > 1 && args[0] == "account":
		return account(args[1:])
	}
	return errors.New(usage)
}

const usage = "usage: bed draw good|parts COUNT DIR | bed belt ... PICTURE=pass|reject... | bed vivid DEVICE | " +
	"bed grab DEVICE COUNT DIR | bed control DEVICE ID VALUE | bed hang -sim SYSFS PID | bed account ... DIR"

// draw writes pictures of good parts to teach from, or of parts of the line, half of them bad: part
// n of them is n.good.png or n.bad.png.
func draw(good bool, n int, dir string) error {
	p := sim.Product{Family: synth.Washer, Size: side, Seed: 7, Bad: 0.5}
	r, err := sim.NewRenderer(p)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	goods := r.Goods(n)
	for i := 1; i <= n; i++ {
		var f *capture.Frame
		name := fmt.Sprintf("%03d.png", i)
		if good {
			f, err = goods.Next(context.Background())
		} else {
			f, err = r.Part(uint64(i), nil)
			name = fmt.Sprintf("%03d.%s.png", i, map[bool]string{true: "bad", false: "good"}[p.IsBad(uint64(i))])
		}
		if err != nil {
			return err
		}
		if err := write(filepath.Join(dir, name), f.Pix, side, side); err != nil {
			return err
		}
	}
	return nil
}

func write(path string, rgb []byte, width, height int) error {
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for i := range width * height {
		copy(m.Pix[4*i:], rgb[3*i:3*i+3])
		m.Pix[4*i+3] = 255
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := png.Encode(f, m); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m, err := png.Decode(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if m.Bounds().Dx() != side || m.Bounds().Dy() != side {
		return nil, fmt.Errorf("%s: not %d x %d", path, side, side)
	}
	rgb := make([]byte, 0, 3*side*side)
	for y := range side {
		for x := range side {
			r, g, b, _ := m.At(x, y).RGBA()
			rgb = append(rgb, byte(r>>8), byte(g>>8), byte(b>>8))
		}
	}
	return rgb, nil
}

// A part is one that the belt brings.
type part struct {
	picture string
	bad     bool
	edge    time.Time // of the sensor
}

// belt brings parts and holds what the reject line does against what it should.
func belt(args []string) error {
	fs := flag.NewFlagSet("belt", flag.ContinueOnError)
	device := fs.String("device", "/dev/video10", "the camera's node")
	vivid := fs.Bool("vivid", false, "the camera is vivid, not the loopback")
	simDir := fs.String("sim", "", "sysfs folder of the gpio-sim chip")
	trigger := fs.Int("trigger", 0, "line of the sensor")
	reject := fs.Int("reject", 1, "line of the rejecter")
	ready := fs.Int("ready", 2, "line of READY")
	encoder := fs.Int("encoder", -1, "line of the encoder, which stands for stop while parts are under way")
	counts := fs.Int("counts", 0, "travel in encoder counts")
	stop := fs.Duration("stop", 0, "how long the encoder's belt stands after the last part")
	travel := fs.Duration("travel", 0, "from the sensor to the rejecter")
	width := fs.Duration("width", 0, "of the pulse")
	tolerance := fs.Duration("tolerance", 0, "of both")
	every := fs.Duration("every", 3*time.Second, "from part to part")
	idle := fs.Duration("idle", 0, "only show the first picture for so long, without parts")
	burst := fs.Int("burst", 0, "then so many edges")
	gap := fs.Duration("gap", 0, "between the edges of the burst; 0: as fast as they go")
	sent := fs.String("sent", "", "file that gets a line for each edge")
	if err := fs.Parse(args); err != nil {
		return err
	}
	var parts []*part
	for _, a := range fs.Args() {
		picture, want, _ := strings.Cut(a, "=")
		parts = append(parts, &part{picture: picture, bad: want == "reject"})
	}
	show, err := stage(*device, *vivid, parts)
	if err != nil {
		return err
	}
	if *idle > 0 {
		time.Sleep(*idle)
		return nil
	}
	in := sensor{line{*simDir, *trigger}, *sent}
	if err := waitActive(line{*simDir, *ready}); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	pulses := make(chan []pulse)
	go func() { pulses <- watch(ctx, line{*simDir, *reject}) }()
	var enc *wheel
	if *encoder >= 0 {
		enc = turn(ctx, line{*simDir, *encoder})
	}
	for _, p := range parts {
		if err := show(p.picture); err != nil {
			return err
		}
		time.Sleep(*every / 3) // so that the next frame shows this part
		if err := in.pass(true); err != nil {
			return err
		}
		p.edge = time.Now()
		time.Sleep(*every / 3)
		if err := in.pass(false); err != nil {
			return err
		}
		time.Sleep(*every - 2*(*every/3))
	}
	if err := in.burst(*burst, *gap); err != nil {
		return err
	}
	late := *travel
	if enc != nil {
		enc.hold(*stop)
		late = time.Duration(*counts)*enc.period + *stop
	}
	time.Sleep(late + *width + *tolerance)
	cancel()
	return verify(parts, <-pulses, late, *width, *tolerance, *burst > 0, enc != nil)
}

// stage returns what shows a picture to the camera.
func stage(device string, vivid bool, parts []*part) (show func(string) error, err error) {
	if vivid {
		return func(picture string) error {
			var square int32
			if picture == "square" {
				square = 1
			}
			return setControl(device, showSquare, square)
		}, nil
	}
	pictures := map[string][]byte{}
	for _, p := range parts {
		if pictures[p.picture], err = read(p.picture); err != nil {
			return nil, err
		}
	}
	cam, err := openLoopback(device)
	if err != nil {
		return nil, err
	}
	next := make(chan []byte) // the feed ends with the process
	go feed(cam, pictures[parts[0].picture], next)
	return func(picture string) error {
		next <- pictures[picture]
		return nil
	}, nil
}

// verify holds the pulses against the parts: one pulse for each bad part, in time and of its
// width, and no other. After a burst the pulses of its parts are allowed too. With an encoder whose
// belt stood, a pulse may come anywhere up to its latest time.
func verify(parts []*part, pulses []pulse, travel, width, tolerance time.Duration, burst, stood bool) error {
	faults := 0
	say := func(ok bool, format string, args ...any) {
		mark := "ok  "
		if !ok {
			mark, faults = "FAIL", faults+1
		}
		fmt.Printf("%s %s\n", mark, fmt.Sprintf(format, args...))
	}
	for i, p := range parts {
		if !p.bad {
			continue
		}
		found := false
		for k := range pulses {
			q := &pulses[k]
			after := q.on.Sub(p.edge)
			early := travel - tolerance/4
			if stood {
				early = 0
			}
			if q.used || after < early || after > travel+tolerance {
				continue
			}
			q.used, found = true, true
			long := q.off.Sub(q.on)
			say(long > width/2 && long < width+tolerance, "part %d is bad: pulse %v after its edge (travel %v) for %v (width %v), emulated",
				i+1, after.Round(time.Millisecond), travel, long.Round(time.Millisecond), width)
			break
		}
		if !found {
			say(false, "part %d is bad: no pulse in its time", i+1)
		}
	}
	extra := 0
	for _, q := range pulses {
		if !q.used {
			extra++
		}
	}
	if !burst {
		say(extra == 0, "%d pulses besides those of bad parts, %d good parts", extra, len(parts)-countBad(parts))
	}
	if faults > 0 {
		return fmt.Errorf("%d faults, pulses %v", faults, pulses)
	}
	return nil
}

func countBad(parts []*part) (n int) {
	for _, p := range parts {
		if p.bad {
			n++
		}
	}
	return n
}

// feed writes the picture that is shown, ten times a second. One pixel changes from frame to frame, as
// the noise of a camera does.
func feed(w io.Writer, picture []byte, show <-chan []byte) {
	tick := time.NewTicker(100 * time.Millisecond)
	for n := byte(0); ; n++ {
		select {
		case picture = <-show:
		case <-tick.C:
		}
		frame := append([]byte(nil), picture...)
		frame[0] ^= n & 3
		if _, err := w.Write(frame); err != nil {
			fmt.Fprintln(os.Stderr, "bed: feed:", err)
			os.Exit(1)
		}
	}
}
