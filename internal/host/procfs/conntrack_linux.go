package procfs

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/dialscope/dialscope/evidence"
)

// Conntrack is how full the connection tracking table of this network
// namespace is (net.netfilter.nf_conntrack_count and _max). Nil without an
// error: the kernel does not track connections, its module is absent.
func Conntrack() (*evidence.Conntrack, error) {
	count, err := number("net.netfilter.nf_conntrack_count")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	limit, err := number("net.netfilter.nf_conntrack_max")
	if err != nil {
		return nil, err
	}
	return &evidence.Conntrack{Count: count, Max: limit}, nil
}

func number(name string) (int, error) {
	s, err := Sysctl(name)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(s.Value)
	if err != nil {
		return 0, fmt.Errorf("sysctl %s: %w", name, err)
	}
	return n, nil
}
