// Package pcapfile reads capture files: pcap (draft-ietf-opsawg-pcap), with
// microseconds or nanoseconds, of either byte order, and pcapng
// (draft-ietf-opsawg-pcapng) with any number of sections and interfaces; either
// may be compressed by gzip or zstd.
//
// Files are read as a stream, so a pipe serves as well and a file may be larger
// than memory. Every length that a file announces is checked before memory is
// given for it.
package pcapfile
