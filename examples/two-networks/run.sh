#!/bin/sh
# The same as compose.yaml, one command after the other. Cleans up after itself.
set -eu
PATH=$(dirname "$(readlink -f "$0")")/../../bin:$PATH

clean() {
  tsdocker rm -f web store >/dev/null 2>&1 || true
  tsdocker network rm front back >/dev/null 2>&1 || true
}
trap clean EXIT
clean

tsdocker network create front
tsdocker network create --internal back
tsdocker run -d --name store --network back --network-alias database busybox sleep 600
tsdocker run -d --name web --network front -p 8088:80 nginx
tsdocker network connect back web

echo "the web server finds the store by its alias:"
tsdocker exec web getent hosts database
echo "the store reaches the web server, and nothing beyond the internal network:"
for _ in 1 2 3 4 5 6 7 8 9 10; do # it takes a moment to listen
  tsdocker exec store wget -q -O /dev/null http://web 2>/dev/null && echo "web answers" && break
  sleep 1
done
tsdocker exec store ip route
echo "which ports are open:"
tsdocker port web
