package tcpstate

import "time"

// sent notes that an end sent new octets, up to next.
func (e *End) sent(next uint32, at time.Duration) {
	e.next, e.hasSeq, e.nextAt, e.again = next, true, at, false
}

// answered notes how long an end took to answer all that the other had sent,
// as the capture saw it. What was sent twice tells no time (RFC 6298 §3).
func (e *End) answered(peer *End, at time.Duration) {
	took := at - peer.nextAt
	if peer.again || took < 0 || took > time.Hour {
		return
	}
	us := uint32(uint64(took) / uint64(time.Microsecond))
	if e.turns == 0 || us < e.turn {
		e.turn = us
	}
	if e.turns < 255 {
		e.turns++
	}
}

// An identification counts on when it is less than near further than the one
// before; one is far from the others that are a counter when it is more than
// far from them, in either direction.
const (
	near = 64
	far  = 4096
)

// seeID learns whether an end's IPv4 identifications are a counter (RFC 6864
// lets them be anything). 0 says nothing: Linux has it on packets that no socket
// sent, RSTs among them.
func (e *End) seeID(id uint16) {
	if id == 0 || id == e.id {
		return
	}
	switch {
	case e.id == 0:
	case id-e.id < near:
		e.idRun = min(e.idRun, 254) + 1
	default:
		e.idRun = 0
	}
	e.id = id
}

// strayed says that an identification is none of a counter's next ones.
func (e *End) strayed(id uint16) bool {
	return e.idRun >= 3 && id != 0 && id-e.id > far && e.id-id > far
}

// hops estimates how many routers a packet passed: systems begin at 64, 128 or
// 255 (RFC 1700; Linux and BSD, Windows, network devices).
func hops(ttl uint8) int {
	switch {
	case ttl <= 64:
		return 64 - int(ttl)
	case ttl <= 128:
		return 128 - int(ttl)
	}
	return 255 - int(ttl)
}

// sameDistance says that two TTLs stand for the same number of hops. One hop
// more or less is what a change of route makes.
func sameDistance(a, b uint8) bool {
	d := hops(a) - hops(b)
	return d >= -1 && d <= 1
}

// OtherDistance says that a TTL tells of another distance than every packet of
// the end, RSTs left out.
func (e *End) OtherDistance(ttl uint8) bool {
	if e.nTTL == 0 || int(e.nTTL) == len(e.TTLs) {
		return false
	}
	for _, seen := range e.TTL() {
		if sameDistance(seen, ttl) {
			return false
		}
	}
	return true
}

// hosts remembers with which TTL the last few thousand addresses accepted
// connections. It forgets those that fall on the same place.
type hosts [1 << 12]struct {
	addr Addr
	ttl  uint8
}

func (h *hosts) place(a Addr) int { return int(mix(a.Lo^mix0, a.Hi^mix1) % uint64(len(h))) }

func (h *hosts) see(a Addr, ttl uint8) {
	at := &h[h.place(a)]
	at.addr, at.ttl = a, ttl
}

func (h *hosts) ttl(a Addr) uint8 {
	if at := &h[h.place(a)]; at.addr == a {
		return at.ttl
	}
	return 0
}
