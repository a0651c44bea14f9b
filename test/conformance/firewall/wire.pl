# Raw frames on one interface, for tests: what a process with CAP_NET_RAW can do. Hex lines on stdin are sent as they are;
# every frame that is heard is written as a hex line. "ready" comes first.
use strict;
use warnings;

my ($name) = @ARGV;
my $every = unpack("n", pack("S", 3));                  # htons(ETH_P_ALL)
socket(my $wire, 17, 3, $every) or die "socket: $!";    # AF_PACKET, SOCK_RAW
my $request = pack("a16 x24", $name);
ioctl($wire, 0x8933, $request) or die "SIOCGIFINDEX $name: $!";
my $index = unpack("x16 i", $request);
bind($wire, pack("S n i x12", 17, 3, $index)) or die "bind: $!";
$| = 1;
print "ready\n";

my $pending = "";
while (1) {
  my $readable = "";
  vec($readable, fileno(STDIN), 1) = 1;
  vec($readable, fileno($wire), 1) = 1;
  next if select($readable, undef, undef, undef) < 0;
  if (vec($readable, fileno($wire), 1)) {
    my $bytes = "";
    print unpack("H*", $bytes), "\n" if defined recv($wire, $bytes, 65536, 0x40);    # MSG_DONTWAIT
  }
  if (vec($readable, fileno(STDIN), 1)) {
    exit 0 unless sysread(STDIN, $pending, 65536, length $pending);
    while ($pending =~ s/^([0-9a-f]*)\n//) { send($wire, pack("H*", $1), 0) or die "send: $!" }
  }
}
