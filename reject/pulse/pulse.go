// Package pulse times the reject pulse in a process of its own.
//
// In the process that runs the network a goroutine comes late by tens of milliseconds: it wakes in time and then waits for
// a processor that a kernel's inner loop holds. So the same binary is started once more (Start), as the process
// cull-pulse: memory locked, no garbage collection, all its threads SCHED_FIFO where the system permits it (realTime says
// why all), and one of them that does the work and sleeps with clock_nanosleep until an absolute instant. It is told {part, due, width} over a socket pair and answers how each
// pulse ended. `cull bench --jitter` measures what that is worth on the machine at hand.
//
// # Outputs
//
// The parent opens the lines and the child inherits their descriptors, so a line has two holders. If the parent dies (even
// by SIGKILL) its end of the socket pair closes: the child makes every output inactive and ends. If the child dies or
// hangs, the parent ends it and makes every output inactive itself. At no time is a line released before it is safe, for what
// the kernel makes of a released line differs from chip to chip: gpio-sim and mainline's BCM driver let it float to its
// pull, Raspberry Pi OS keeps driving it. The child owns all outputs, not just the rejecter's: an OK-to-run or a READY that
// stays active after its program has gone is as dangerous as a nozzle that keeps blowing, and a HEARTBEAT must come from the
// parent's loop but stop when the parent does.
//
// There is no parent-death signal: it is bound to the thread that forked, and threads of a Go program come and go.
// The child ignores every signal that can be ignored, SIGTERM and Ctrl-C among them, which a service manager or a terminal
// sends to the whole group: the parent decides when the line ends. Both dying at once (SIGKILL of the whole group, loss of
// power) is the business of the unit's ExecStopPost and of pull resistors.
//
// # Waiting
//
// Far from an edge the child waits in ppoll for the edge or a message, whichever comes first. For the last millisecond (lead)
// it sleeps in clock_nanosleep and does not listen: a message then takes up to a millisecond longer. That is late only
// for a pulse that is pushed or moved to less than a millisecond ahead while another edge is as near; lateness is
// measured and bounded as for any other. It does not spin: the kernel stops a real-time thread that does.
package pulse
