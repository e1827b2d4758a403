package sock

// Largest is how many octets a UDP datagram holds at most: 65,535 of an IPv4
// packet with its header of 20, or behind IPv6's header, less UDP's 8 (RFC 768,
// RFC 791 §3.1, RFC 8200 §3).
func Largest(v6 bool) int {
	if v6 {
		return 65535 - 8
	}
	return 65535 - 20 - 8
}

// Fits is how many octets go into one packet of a path's MTU; 0 where that is not
// known.
func Fits(mtu int, v6 bool) int {
	headers := 20 + 8
	if v6 {
		headers = 40 + 8
	}
	return max(0, mtu-headers)
}
