//go:build !linux

package nft

import (
	"errors"
	"fmt"

	"github.com/dialscope/dialscope/internal/filter"
)

func read(bool) (*filter.Ruleset, error) {
	return nil, fmt.Errorf("nftables is Linux's: %w", errors.ErrUnsupported)
}

func legacy() []string { return nil }
