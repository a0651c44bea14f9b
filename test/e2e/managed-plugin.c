// A network plugin as small as can be: it answers what dockerd's protocol asks over a unix socket, one
// connection at a time, and makes nothing: endpoints have addresses and no interface of its own.
// Built by managed-plugins.test.ts, statically, for a root file system that holds nothing else.

#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/** A process 1 ends only of signals that it handles. */
static void end(int signal) { _exit(signal == SIGTERM ? 0 : 1); }

static const char *answer_to(const char *request) {
  if (strstr(request, "/Plugin.Activate")) return "{\"Implements\":[\"NetworkDriver\"]}";
  if (strstr(request, ".GetCapabilities")) return "{\"Scope\":\"local\",\"ConnectivityScope\":\"local\"}";
  if (strstr(request, ".CreateEndpoint")) return "{\"Interface\":{}}";
  if (strstr(request, ".Join")) return "{\"DisableGatewayService\":true}";
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
