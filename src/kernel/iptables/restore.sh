#!/bin/sh
# Reads rules as iptables-save writes them and applies them: each table in one transaction, and nothing but the chains
# that the input names. Waits for others who hold the xtables lock.
#
# usage: restore.sh 4|6 default|nft|legacy [NETNS] < rules
set -eu

case $1 in
4) program=iptables ;;
6) program=ip6tables ;;
*) echo "restore.sh: no such family: $1" >&2; exit 64 ;;
esac
case $2 in
default) ;;
nft | legacy) program=$program-$2 ;;
*) echo "restore.sh: no such variant: $2" >&2; exit 64 ;;
esac

if [ -n "${3:-}" ]; then
	exec nsenter --net="$3" "$program-restore" --noflush --wait 10
fi
exec "$program-restore" --noflush --wait 10
