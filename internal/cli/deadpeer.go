package cli

import (
	"context"

	"github.com/dialscope/dialscope/internal/cli/target"
)

func (a *app) deadPeer(o *talkOptions, _ any) error { return nil }
func (a *app) deadPeerOf(_ context.Context, o *talkOptions, _ target.Target) error {
	return a.deadPeer(o, nil)
}
