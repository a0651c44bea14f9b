// A network plugin as small as can be: it answers what dockerd's protocol asks over a unix socket, one connection at a
// time. A network is a bridge, an endpoint a veth pair, whose one end is left for the daemon to take. Built by managed-plugins.test.ts, statically, for a root file system that holds nothing else.

#define _GNU_SOURCE
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/** A process 1 ends only of signals that it handles. */
static void end(int signal) { _exit(signal == SIGTERM ? 0 : 1); }

/** One request of rtnetlink: what is nested in it is closed by `end_attribute`. */
struct message {
  struct nlmsghdr head;
  struct ifinfomsg link;
  char attributes[512];
};

static void begin(struct message *it, unsigned short type, unsigned short flags) {
  memset(it, 0, sizeof *it);
  it->head = (struct nlmsghdr){NLMSG_LENGTH(sizeof it->link), type, NLM_F_REQUEST | NLM_F_ACK | flags, 1, 0};
  if (flags) it->link.ifi_flags = it->link.ifi_change = IFF_UP;
}

static struct rtattr *attribute(struct message *it, unsigned short type, const void *value, size_t size) {
  struct rtattr *made = (struct rtattr *)((char *)it + NLMSG_ALIGN(it->head.nlmsg_len));
  made->rta_type = type;
  made->rta_len = (unsigned short)RTA_LENGTH(size);
  if (size) memcpy(RTA_DATA(made), value, size);
  it->head.nlmsg_len = NLMSG_ALIGN(it->head.nlmsg_len) + RTA_ALIGN(made->rta_len);
  return made;
}

static void text(struct message *it, unsigned short type, const char *value) {
  attribute(it, type, value, strlen(value) + 1);
}

static void end_attribute(struct message *it, struct rtattr *outer) {
  outer->rta_len = (unsigned short)((char *)it + it->head.nlmsg_len - (char *)outer);
}

/** Answers the kernel's error, negative, or 0. */
static int tell_kernel(const struct message *it) {
  struct {
    struct nlmsghdr head;
    struct nlmsgerr error;
    char echo[1024];
  } answer;
  int kernel = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  int failed = send(kernel, it, it->head.nlmsg_len, 0) < 0 || recv(kernel, &answer, sizeof answer, 0) < 0;
  close(kernel);
  return failed ? -1 : answer.error.error;
}

static void create_bridge(const char *name) {
  struct message it;
  begin(&it, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  text(&it, IFLA_IFNAME, name);
  struct rtattr *info = attribute(&it, IFLA_LINKINFO, NULL, 0);
  text(&it, IFLA_INFO_KIND, "bridge");
  end_attribute(&it, info);
  tell_kernel(&it);
}

static void create_veth(const char *port, const char *inside, const char *bridge) {
  struct message it;
  struct ifinfomsg peer = {0};
  unsigned int master = if_nametoindex(bridge);
  begin(&it, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  text(&it, IFLA_IFNAME, port);
  attribute(&it, IFLA_MASTER, &master, sizeof master);
  struct rtattr *info = attribute(&it, IFLA_LINKINFO, NULL, 0);
  text(&it, IFLA_INFO_KIND, "veth");
  struct rtattr *data = attribute(&it, IFLA_INFO_DATA, NULL, 0);
  struct rtattr *other = attribute(&it, VETH_INFO_PEER, &peer, sizeof peer);
  text(&it, IFLA_IFNAME, inside);
  end_attribute(&it, other);
  end_attribute(&it, data);
  end_attribute(&it, info);
  tell_kernel(&it);
}

static void delete_link(const char *name) {
  struct message it;
  begin(&it, RTM_DELLINK, 0);
  text(&it, IFLA_IFNAME, name);
  tell_kernel(&it);
}

/** A link's name: a prefix, and the first ten digits of an id in the request. */
static void name_link(char *name, const char *prefix, const char *request, const char *id) {
  const char *found = strstr(request, id);
  snprintf(name, IFNAMSIZ, "%s%.10s", prefix, found ? found + strlen(id) : "none");
}

static const char *answer_to(const char *request) {
  static char joined[256];
  char bridge[IFNAMSIZ], port[IFNAMSIZ], inside[IFNAMSIZ];
  name_link(bridge, "tb", request, "\"NetworkID\":\"");
  name_link(port, "tp", request, "\"EndpointID\":\"");
  name_link(inside, "ti", request, "\"EndpointID\":\"");
  if (strstr(request, "/Plugin.Activate")) return "{\"Implements\":[\"NetworkDriver\"]}";
  if (strstr(request, ".GetCapabilities")) return "{\"Scope\":\"local\",\"ConnectivityScope\":\"local\"}";
  if (strstr(request, ".CreateEndpoint")) return "{\"Interface\":{}}";
  if (strstr(request, ".CreateNetwork")) create_bridge(bridge);
  if (strstr(request, ".DeleteNetwork")) delete_link(bridge);
  if (strstr(request, ".DeleteEndpoint")) delete_link(port);
  if (strstr(request, ".Join")) {
    create_veth(port, inside, bridge);
    snprintf(joined, sizeof joined,
             "{\"InterfaceName\":{\"SrcName\":\"%s\",\"DstPrefix\":\"eth\"},\"DisableGatewayService\":true}", inside);
    return joined;
  }
  if (strstr(request, ".EndpointOperInfo")) return "{\"Value\":{}}";
  return "{}";
}

/** Reads the head and as much of a body as it announces. */
static void read_request(int client, char *request, size_t size) {
  size_t length = 0, wanted = size - 1;
  while (length < wanted) {
    ssize_t count = read(client, request + length, wanted - length);
    if (count <= 0) return;
    length += (size_t)count;
    request[length] = 0;
    char *head_end = strstr(request, "\r\n\r\n");
    if (!head_end) continue;
    char *announced = strcasestr(request, "Content-Length:");
    size_t whole = (size_t)(head_end - request) + 4 + (announced ? strtoul(announced + 15, NULL, 10) : 0);
    if (whole < wanted) wanted = whole;
  }
}

int main(int count, char **arguments) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  const char *said = getenv("GREETING");
  if (count > 1 && strcmp(arguments[1], "fail") == 0) {
    fprintf(stderr, "out of order\n");
    return 3;
  }
  signal(SIGTERM, end);
  signal(SIGPIPE, SIG_IGN);
  strcpy(address.sun_path, "/run/docker/plugins/tiny.sock");
  int server = socket(AF_UNIX, SOCK_STREAM, 0);
  if (bind(server, (struct sockaddr *)&address, sizeof address) || listen(server, 64)) {
    perror(address.sun_path);
    return 1;
  }
  printf("greeting: %s\n", said ? said : "none");
  fflush(stdout);
  for (;;) {
    static char request[65536];
    char head[256];
    int client = accept(server, NULL, NULL);
    if (client < 0) continue;
    memset(request, 0, sizeof request);
    read_request(client, request, sizeof request);
    // somebody who only looks whether it is there
    if (!request[0]) {
      close(client);
      continue;
    }
    const char *answer = answer_to(request);
    if (strstr(request, "crash-me")) _exit(4);
    int length = snprintf(head, sizeof head,
                          "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
                          strlen(answer));
    if (write(client, head, (size_t)length) < 0 || write(client, answer, strlen(answer)) < 0) perror("write");
    close(client);
  }
}
