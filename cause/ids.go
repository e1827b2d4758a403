package cause

// The causes, in the order of the catalogue.
const (
	// Before a packet leaves.
	NoRoute              ID = "no-route"
	RouteRejected        ID = "route-rejected"
	SourceNotLocal       ID = "source-not-local"
	SourceInUse          ID = "source-in-use"
	PortsExhausted       ID = "ports-exhausted"
	DescriptorsExhausted ID = "descriptors-exhausted"
	PolicyDenied         ID = "policy-denied"
	BroadcastDenied      ID = "broadcast-denied"
	FamilyUnsupported    ID = "family-unsupported"
	BadAddress           ID = "bad-address"
	HopLimitTooSmall     ID = "hop-limit-too-small"
	LinkDown             ID = "link-down"
	NeighbourUnresolved  ID = "neighbour-unresolved"
	GatewayUnresolved    ID = "gateway-unresolved"
	LocalFirewallDrop    ID = "local-firewall-drop"
	LocalFirewallReject  ID = "local-firewall-reject"
	ConntrackFull        ID = "conntrack-full"
	SelfConnect          ID = "self-connect"
	CancelledByCaller    ID = "cancelled"

	// A reply came and this host threw it away.
	ReversePathFilter  ID = "reverse-path-filter"
	LocalFirewallInput ID = "local-firewall-input"
	ReplyMalformed     ID = "reply-malformed"

	// On the path.
	RouterNoRoute     ID = "router-no-route"
	HostUnreachable   ID = "host-unreachable"
	AdminProhibited   ID = "admin-prohibited"
	FirewallReject    ID = "firewall-reject"
	ICMPRejected      ID = "icmp-rejected"
	RoutingLoop       ID = "routing-loop"
	PathFirewallDrop  ID = "path-firewall-drop"
	PathFirewallReset ID = "path-firewall-reset"
	SYNProxy          ID = "syn-proxy"
	OptionBlackhole   ID = "option-blackhole"
	ReplyLost         ID = "reply-lost"
	PacketLoss        ID = "packet-loss"
	MTUBlackhole      ID = "mtu-blackhole"

	// At the destination.
	IsOpen             ID = "open"
	PortClosed         ID = "port-closed"
	HostFirewallDrop   ID = "host-firewall-drop"
	HostSilent         ID = "host-silent"
	ListenQueueFull    ID = "listen-queue-full"
	AcceptedThenReset  ID = "accepted-then-reset"
	AcceptedThenClosed ID = "accepted-then-closed"
	StaleConnection    ID = "stale-connection"

	// The name.
	NameNotFound        ID = "name-not-found"
	ResolverTimeout     ID = "resolver-timeout"
	ResolverUnreachable ID = "resolver-unreachable"
	ResolverRefused     ID = "resolver-refused"
	ResolverFailure     ID = "resolver-failure"
	SomeAddressesDead   ID = "some-addresses-dead"

	// An established connection ends.
	PeerClosed       ID = "peer-closed"
	PeerReset        ID = "peer-reset"
	BrokenPipe       ID = "broken-pipe"
	PeerVanished     ID = "peer-vanished"
	PeerRebooted     ID = "peer-rebooted"
	PathLost         ID = "path-lost"
	IdleStateExpired ID = "idle-state-expired"
	ZeroWindow       ID = "zero-window"

	// UDP.
	UDPAnswered      ID = "udp-answered"
	UDPSilent        ID = "udp-silent"
	DatagramTooLarge ID = "datagram-too-large"
)
