package cli

import "context"

// screen fills the terminal.
func (w *watcher) screen(ctx context.Context) error { return w.lines(ctx) }
