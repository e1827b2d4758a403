package sweep

import "slices"

// TopPorts are the first n of [MostTopPorts] TCP ports, those first that are most
// worth a try. The list is made by hand: the service names of IANA's registry
// and the ports that widely used servers listen on by themselves. Its order is
// a judgement, and no measurement.
func TopPorts(n int) []uint16 {
	return slices.Clone(topPorts[:min(n, len(topPorts))])
}

// MostTopPorts is how many there are.
var MostTopPorts = len(topPorts)

var topPorts = []uint16{
	// What most hosts offer, if anything: web, remote access, mail, names.
	443, 80, 22, 25, 53, 3389, 445, 21, 23, 110, 143, 993, 995, 587, 465, 8080,
	8443, 3306, 5432, 139, 135, 5900, 389, 636, 111, 2049, 123, 179,
	// Web servers and what stands before applications.
	8000, 8888, 8081, 8008, 3000, 5000, 9000, 8082, 8083, 8880, 8088, 8090, 81, 82, 88, 4443,
	9443, 10443, 7443, 6443, 8001, 8002, 8009, 8089, 8181, 9080, 9090, 9091, 4000, 5173, 4200, 3001,
	5001, 7000, 7001, 7002, 7070, 7080, 8444, 8843, 9999, 10000, 3128, 1080, 8118, 9050,
	// Databases, caches, search.
	1433, 1434, 1521, 27017, 27018, 6379, 9200, 9300, 5984, 11211, 9042, 7474, 7687, 8086, 8123, 8529,
	26257, 28015, 3050, 50000, 5433, 33060, 2483, 2484, 3307, 6432, 6380, 16379, 19530, 6333,
	// Queues and messaging.
	5672, 5671, 15672, 9092, 9093, 4222, 8222, 6222, 1883, 8883, 61613, 61616, 5222, 5269, 5223, 2181,
	6650, 4369, 25672,
	// Clusters, containers, secrets, what looks after them.
	2375, 2376, 2377, 2379, 2380, 10250, 10255, 10256, 30000, 8500, 8300, 8301, 8200, 4646, 4647, 4648,
	9100, 9094, 3100, 4317, 4318, 9411, 14268, 16686, 5601, 5044, 24224, 8125, 2003, 10050, 10051, 5666,
	5665, 5555, 161, 199, 8140, 4505, 4506,
	// Windows and directories.
	464, 593, 3268, 3269, 5985, 5986, 47001, 49152, 49153, 49154, 49155, 49156, 49157, 49664, 49665, 49666,
	49667, 1025, 1026, 1027, 1028, 1029, 137, 138, 5357,
	// Files, backup, versions.
	873, 548, 2121, 990, 989, 20, 69, 115, 3260, 9418, 3690, 8384, 22000, 24007, 6800, 3300,
	10809, 9001, 9102, 9103, 10080, 6106, 13720,
	// Remote access, tunnels, terminals, screens.
	2222, 992, 512, 513, 514, 5901, 5902, 5800, 5938, 4899, 3283, 6000, 6001, 1194, 1701, 1723,
	500, 4500, 51820, 943, 1812, 49, 5631, 1494, 2598, 3388, 22022,
	// Mail and news beside the first ones.
	2525, 4190, 109, 119, 563, 24, 26, 106, 628, 1109,
	// Voice, streams, meetings.
	5060, 5061, 1720, 554, 1935, 8554, 3478, 5349, 2000, 5038, 8021, 1755, 7777,
	// Printers, boxes, industry.
	515, 631, 502, 102, 20000, 44818, 47808, 4840, 789, 1911, 2404, 7547, 8291, 8728, 4786, 62078,
	5353,
	// Development and remote control of programs.
	9229, 5005, 6006, 8787, 4040, 18080, 7077, 50070, 9870, 8042, 9866, 1099, 11099, 4848, 9990, 8161,
	2809, 3200, 3299, 50013, 4444, 6667, 6697, 6660,
	// Old services that are still met.
	7, 9, 13, 17, 19, 37, 43, 70, 79, 113, 144, 256, 264, 407, 427, 444,
	497, 543, 544, 646, 1110, 1900, 2001, 3986, 5009, 5051, 5101, 5190, 32768,
}
