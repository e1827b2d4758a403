package tcpstate

import (
	"strings"
	"testing"
	"time"
)

// matrix is RFC 9293 §3.10, every state by every event, as it reads: "-" is an
// error, a discarded segment or something that cannot be, and nothing moves; "="
// is an arrow that stays. Written from the RFC, not from the table.
const matrix = `
             passive active  SEND    CLOSE   ABORT  SYN     SYN,ACK ofSYN  FIN    ofFIN  FIN+of RST     2MSL   timeout
CLOSED       LISTEN  SYNSENT -       -       -      =       =       =      =      =      =      -       -      -
LISTEN       -       SYNSENT SYNSENT CLOSED  CLOSED SYNRCVD =       =      -      =      -      -       -      -
SYN_SENT     -       -       -       CLOSED  CLOSED SYNRCVD ESTAB   -      -      -      -      CLOSED  -      CLOSED
SYN_RECEIVED -       -       -       FW1     CLOSED =       ESTAB   ESTAB  CW     -      -      CLOSED  -      CLOSED
ESTABLISHED  -       -       -       FW1     CLOSED =       =       -      CW     -      -      CLOSED  -      CLOSED
FIN_WAIT_1   -       -       -       -       CLOSED =       -       -      CLOSING FW2   TW     CLOSED  -      CLOSED
FIN_WAIT_2   -       -       -       -       CLOSED =       -       -      TW     -      TW     CLOSED  -      CLOSED
CLOSE_WAIT   -       -       -       LASTACK CLOSED =       -       -      -      -      -      CLOSED  -      CLOSED
CLOSING      -       -       -       -       CLOSED =       -       -      -      TW     TW     CLOSED  -      CLOSED
LAST_ACK     -       -       -       -       CLOSED =       -       -      -      CLOSED CLOSED CLOSED  -      CLOSED
TIME_WAIT    -       -       -       -       CLOSED =       -       -      =      -      =      CLOSED  CLOSED -
`

var short = map[string]State{"LISTEN": Listen, "SYNSENT": SYNSent, "CLOSED": Closed, "SYNRCVD": SYNReceived, "ESTAB": Established, "FW1": FINWait1, "FW2": FINWait2,
	"CW": CloseWait, "CLOSING": Closing, "LASTACK": LastACK, "TW": TimeWait}

func TestMatrix(t *testing.T) {
	rows := 0
	for line := range strings.Lines(matrix) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] == "passive" {
			continue
		}
		if len(f) != int(nEvents)+1 {
			t.Fatalf("%d columns, want %d: %s", len(f), nEvents+1, line)
		}
		from := allStates[rows]
		rows++
		if from.String() != f[0] {
			t.Fatalf("row %s, want %v", f[0], from)
		}
		for e, cell := range f[1:] {
			event := Event(e)
			arrow, is := Find(from, event)
			to, leads := short[cell]
			switch {
			case cell == "-" && is:
				t.Errorf("%v on %v: %v, the RFC has nothing", from, event, arrow.To)
			case cell == "=" && (!is || arrow.To != from || arrow.Sends == ""):
				t.Errorf("%v on %v: %+v, the RFC answers and stays", from, event, arrow)
			case leads && (!is || arrow.To != to):
				t.Errorf("%v on %v: %+v, the RFC goes to %v", from, event, arrow, to)
			case !leads && cell != "-" && cell != "=":
				t.Errorf("no such cell: %s", cell)
			}
			if got, want := from.On(event), max(to, 0); leads && got != want || !leads && got != from {
				t.Errorf("%v.On(%v) = %v", from, event, got)
			}
		}
	}
	if rows != len(allStates) {
		t.Errorf("%d rows of %d", rows, len(allStates))
	}
}

// What a state answers, as RFC 9293 §3.10 has it: RST where there is no
// connection, ACK where one is doubted or closed.
func TestAnswers(t *testing.T) {
	for _, arrow := range Transitions {
		segment := arrow.Event >= ReceiveSYN && arrow.Event <= ReceiveFINACK
		switch {
		case arrow.From == Closed && segment && arrow.Sends != "RST",
			arrow.From.Synchronized() && (arrow.Event == ReceiveSYN || arrow.Event == ReceiveFIN) && arrow.Sends != "ACK",
			arrow.Event == ReceiveRST && arrow.Sends != "",
			arrow.Event == Close && arrow.To != Closed && arrow.Sends != "FIN",
			arrow.Event == Abort && (arrow.Sends == "RST") != (arrow.From >= SYNReceived && arrow.From <= CloseWait):
			t.Errorf("%v on %v sends %q", arrow.From, arrow.Event, arrow.Sends)
		}
	}
}

// RFC 5961 §3.2: a RST is heeded with exactly the number that is expected next,
// gets a challenge ACK within the window, and is dropped elsewhere; wherever the
// numbers wrap.
func TestRSTByNumber(t *testing.T) {
	const window = 1000
	for _, isn := range []uint32{5000, 0, 1<<31 - 3, 1<<32 - 2, 1<<32 - window} {
		for _, c := range []struct {
			offset uint32
			reason RSTReason
		}{
			{0, RSTAbort},
			{1, RSTInWindow}, {2, RSTInWindow}, {window - 1, RSTInWindow}, {window, RSTInWindow},
			{window + 1, RSTOutOfWindow}, {1 << 20, RSTOutOfWindow}, {1<<31 - 1, RSTOutOfWindow},
			{1 << 31, RSTOutOfWindow}, {^uint32(0), RSTOutOfWindow}, {^uint32(99), RSTOutOfWindow},
		} {
			for _, flags := range []uint16{RST, RST | ACK} {
				segments := scriptFrom(t, "0 > S 0\n1 < S. 0 ack 1\n2 > . 1 ack 1\n3 > P. 1:11 ack 1\n4 < . 1 ack 11", 77, isn)
				reset := segments[4]
				reset.Time, reset.Frame, reset.Flags, reset.Seq = 5*time.Second, 6, flags, reset.Seq+c.offset
				tr := NewTracker(1, nil)
				for i := range segments {
					tr.Segment(&segments[i])
				}
				step := tr.Segment(&reset)
				if step.RST != c.reason || step.Ended != (c.reason == RSTAbort) {
					t.Errorf("ISN %d, %+d, flags %#x: %v, ended %v; want %v", isn, int32(c.offset), flags, step.RST, step.Ended, c.reason)
				}
				if ended := step.Conn.Ends[Initiator].State == Closed; ended != (c.reason == RSTAbort) {
					t.Errorf("ISN %d, %+d: the initiator is in %v", isn, int32(c.offset), step.Conn.Ends[Initiator].State)
				}
				challenge := segments[3]
				challenge.Time, challenge.Flags, challenge.Len, challenge.Seq = 6*time.Second, ACK, 0, segments[4].Ack
				if sense := tr.Segment(&challenge).Sense; (sense == SenseChallengeACK) != (c.reason == RSTInWindow) {
					t.Errorf("ISN %d, %+d: the ACK after it is %d", isn, int32(c.offset), sense)
				}
			}
		}
	}
}

// RFC 9293 §3.10.7.3: in SYN_SENT a RST counts that acknowledges the SYN, and no
// other, whatever its own number is.
func TestRSTInSYNSent(t *testing.T) {
	for _, c := range []struct {
		flags uint16
		ack   uint32
		ends  bool
	}{
		{RST | ACK, 1, true}, {RST | ACK, 0, false}, {RST | ACK, 2, false}, {RST | ACK, 1 << 31, false}, {RST | ACK, ^uint32(0), false}, {RST, 1, false}, {RST, 0, false},
	} {
		for _, seq := range []uint32{0, 1, 1 << 31, ^uint32(0)} {
			syn := script(t, "0 > S 0")[0]
			tr := NewTracker(1, nil)
			tr.Segment(&syn)
			reset := answer(syn, c.flags, time.Second)
			reset.Seq, reset.Ack = seq, syn.Seq+c.ack
			step := tr.Segment(&reset)
			if step.Ended != c.ends || (step.Conn.Handshake() == RefusedByRST) != c.ends {
				t.Errorf("flags %#x, ack %+d, seq %d: ended %v, %v", c.flags, int32(c.ack), seq, step.Ended, step.Conn.Handshake())
			}
		}
	}
}

// RFC 5961 §4.2: a SYN in a synchronized state gets a challenge ACK and moves
// nothing, where it repeats the first; with another number it is another
// connection in a capture, whether its receiver takes it (RFC 6191, RFC 9293
// §3.6.1) or not.
func TestSYNInEveryState(t *testing.T) {
	for name, lines := range map[string]string{
		"ESTABLISHED": "",
		"FIN_WAIT_2":  "3 > F. 1 ack 1\n4 < . 1 ack 2",
		"CLOSE_WAIT":  "3 < F. 1 ack 1\n4 > . 1 ack 2",
		"LAST_ACK":    "3 < F. 1 ack 1\n4 > . 1 ack 2\n5 > F. 1 ack 2",
		"TIME_WAIT":   "3 > F. 1 ack 1\n4 < F. 1 ack 2\n5 > . 2 ack 2",
	} {
		segments := script(t, "0 > S 0\n1 < S. 0 ack 1\n2 > . 1 ack 1\n"+lines)
		for _, other := range []bool{false, true} {
			tr := NewTracker(1, nil)
			var c *Conn
			for i := range segments {
				c = tr.Segment(&segments[i]).Conn
			}
			if c.Ends[Initiator].State.String() != name {
				t.Fatalf("%s: %v", name, c.Ends[Initiator].State)
			}
			late := segments[0]
			late.Time = 10 * time.Second
			if other {
				late.Seq += 1 << 20
			}
			step := tr.Segment(&late)
			switch {
			case other && (!step.New || !step.Reused || step.Conn.Ends[Initiator].State != SYNSent):
				t.Errorf("%s, a SYN with another number: %+v", name, step)
			case !other && (step.New || step.Conn.Ends[Initiator].State.String() != name || step.Sense != SenseSYNLate):
				t.Errorf("%s, the SYN again: sense %d, %v", name, step.Sense, step.Conn.Ends[Initiator].State)
			}
		}
	}
}

// RFC 7413: data in the SYN is acknowledged with it, in part, or not; the
// handshake is complete in every case, and what was not taken is sent again.
func TestFastOpen(t *testing.T) {
	for taken, again := range map[string]bool{"301": false, "101": true, "1": true} {
		lines := "0 > S 0:300\n1 < S. 0 ack " + taken + "\n2 > . 301 ack 1"
		if again {
			lines = "0 > S 0:300\n1 < S. 0 ack " + taken + "\n2 > P. " + taken + ":301 ack 1\n3 < . 1 ack 301"
		}
		tr := NewTracker(1, nil)
		var c *Conn
		segments := script(t, lines)
		for i := range segments {
			c = tr.Segment(&segments[i]).Conn
		}
		if c.Handshake() != Complete || c.Ends[0].State != Established || c.Ends[1].State != Established || c.BadSYNACK != 0 || c.SYN.Data != 300 {
			t.Errorf("%s acknowledged: %s, %+v", taken, told(c), c.SYN)
		}
	}
	beyond := script(t, "0 > S 0:300\n1 < S. 0 ack 302")
	tr := NewTracker(1, nil)
	var c *Conn
	for i := range beyond {
		c = tr.Segment(&beyond[i]).Conn
	}
	if c.Handshake() != SYNACKBad {
		t.Errorf("a SYN-ACK of more than was sent: %s", told(c))
	}
}
