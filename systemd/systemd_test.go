// Package systemd_test holds the unit to its promises.
package systemd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The exposure is what `systemd-analyze security` says of the unit, 0 to 10; 1.5 is the limit.
func TestUnitExposure(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("no systemd-analyze: apt-get install systemd")
	}
	unit := filepath.Join(t.TempDir(), "cull.service")
	text, err := os.ReadFile("cull.service")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(unit, text, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--threshold=15", unit).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), "Overall exposure level") {
		t.Errorf("it says nothing of exposure:\n%s", out)
	}
}

// What the daemon relies on, line by line.
func TestUnitKeepsItsPromises(t *testing.T) {
	text, err := os.ReadFile("cull.service")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Type=notify", "WatchdogSec=10", "ExecStopPost=/usr/bin/cull safe --config /etc/cull/cull.toml", "User=cull",
		"SupplementaryGroups=video gpio", "MemoryDenyWriteExecute=yes", "LimitRTPRIO=50", "LimitMEMLOCK=infinity",
		"DeviceAllow=char-gpiochip rw", "DeviceAllow=char-video4linux rw", "Wants=modprobe@videodev.service",
		"After=systemd-udevd.service systemd-modules-load.service modprobe@videodev.service", "Restart=always", "KillMode=mixed",
	} {
		if !strings.Contains(string(text), "\n"+want+"\n") {
			t.Errorf("no line %q", want)
		}
	}
	// A Go program that panics, or that the watchdog ends, has the exit status of wrong usage: 2.
	if strings.Contains(string(text), "RestartPreventExitStatus") {
		t.Error("a daemon that panics must come back")
	}
}
