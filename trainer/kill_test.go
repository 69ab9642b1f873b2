//go:build linux

package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"cull/trainer/internal/pretrain"
)

// TestMain lets the test binary be cull-trainer itself, in a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv("CULL_TRAINER_CHILD") != "" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

func child(args ...string) *exec.Cmd {
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), "CULL_TRAINER_CHILD=1")
	return c
}

// A process that is killed in the middle of a run is resumed to the bytes of a whole run.
func TestResumeAfterSIGKILL(t *testing.T) {
	text := strings.Replace(tiny, "images = 16", "images = 2000\ncheckpoint = 0.01\nvalidate = 800", 1)
	recipe := put(t, "tiny.toml", text)
	whole, cut := filepath.Join(filepath.Dir(recipe), "whole"), filepath.Join(filepath.Dir(recipe), "cut")
	c := child("pretrain", recipe, "--threads", "2", "-o", cut+".net")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for limit := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if p, err := pretrain.OpenCheckpoint(cut + ".ckpt"); err == nil {
			n, of := p.Images()
			if n == of {
				t.Fatal("the run ended before it could be killed: make it longer")
			}
			if n > 0 {
				break
			}
		}
		if time.Now().After(limit) {
			t.Fatal("no checkpoint within a minute")
		}
	}
	if b, err := child("pretrain", recipe, "--resume", cut+".ckpt", "-o", cut+".net").CombinedOutput(); err == nil ||
		!strings.Contains(string(b), "another process is training") {
		t.Errorf("two processes train to one file: %v\n%s", err, b)
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err == nil || c.ProcessState.ExitCode() != -1 {
		t.Fatalf("the child ended by itself: %v", err)
	}
	if b, err := child("pretrain", recipe, "-o", cut+".net").CombinedOutput(); err == nil ||
		!strings.Contains(string(b), "unfinished run") {
		t.Errorf("a new run overwrites an unfinished one: %v\n%s", err, b)
	}
	for _, args := range [][]string{
		{"pretrain", recipe, "--resume", cut + ".ckpt", "-o", cut + ".net"},
		{"pretrain", recipe, "--threads", "2", "-o", whole + ".net"},
	} {
		if b, err := child(args...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, b)
		}
	}
	for _, ext := range []string{".net", ".ckpt", ".curves.json"} {
		a, err := os.ReadFile(whole + ext)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(cut + ext)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Errorf("%s of the killed and resumed run differs from that of the whole one", ext)
		}
	}
}

// A disk that is full in the middle of a run: the run stops, names the file and what to do,
// and the checkpoint it had is intact.
func TestFullDisk(t *testing.T) {
	recipe := put(t, "tiny.toml", strings.Replace(tiny, "images = 16", "images = 4000\ncheckpoint = 0.01", 1))
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("mounting a small tmpfs needs root: %v", err)
	}
	defer syscall.Unmount(disk, syscall.MNT_DETACH)
	out := filepath.Join(disk, "x")
	c := child("pretrain", recipe, "-o", out+".net")
	var stderr bytes.Buffer
	c.Stderr = &stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for limit := time.Now().Add(time.Minute); time.Now().Before(limit); time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(out + ".curves.json"); err == nil {
			break
		}
	}
	// Fill what is left.
	if err := os.WriteFile(filepath.Join(disk, "rest"), make([]byte, 8<<20), 0o644); err == nil {
		t.Fatal("the disk is not full")
	}
	if err := c.Wait(); err == nil || c.ProcessState.ExitCode() != exitError {
		t.Errorf("ended with %v, want exit %d", err, exitError)
	}
	for _, want := range []string{out, "no space left", "the disk is full"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("no %q in\n%s", want, stderr.String())
		}
	}
	if _, err := pretrain.OpenCheckpoint(out + ".ckpt"); err != nil {
		t.Errorf("the last good checkpoint is gone: %v", err)
	}
}

// A disk that is full from the start is told as such, and so is a network that no checkpoint holds.
func TestFirstCheckpointFails(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("mounting a small tmpfs needs root: %v", err)
	}
	defer syscall.Unmount(disk, syscall.MNT_DETACH)
	var stderr bytes.Buffer
	code := run([]string{"pretrain", put(t, "tiny.toml", tiny), "-o", filepath.Join(disk, "x.net")}, io.Discard, &stderr)
	if code != exitError || !strings.Contains(stderr.String(), "x.ckpt") || !strings.Contains(stderr.String(), "hint: the disk is full: make room\n") {
		t.Errorf("exit %d, %s", code, stderr.String())
	}
	stderr.Reset()
	if fail(&stderr, pretrain.ErrLarge, ""); !strings.Contains(stderr.String(), "hint: lower network.width") {
		t.Error(stderr.String())
	}
}

// The root of a disk cannot be replaced, which is told before anything is drawn.
func TestSynthToAMountedDisk(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("mounting a small tmpfs needs root: %v", err)
	}
	defer syscall.Unmount(disk, syscall.MNT_DETACH)
	err := writeDir(disk, func(string) error {
		t.Error("the work was begun")
		return nil
	})
	var h hinted
	if !errors.Is(err, syscall.EBUSY) || !errors.As(err, &h) || !strings.Contains(h.hint, filepath.Join(disk, "set")) {
		t.Errorf("%v, hint %q", err, h.hint)
	}
}
