//go:build !linux

package dialscope

func limitDescriptors(uint64) bool { return false }
