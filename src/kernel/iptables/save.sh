#!/bin/sh
# Writes the rules of all tables, or of one.
#
# usage: save.sh 4|6 default|nft|legacy NETNS|- [TABLE]
set -eu

case $1 in
4) program=iptables ;;
6) program=ip6tables ;;
*) echo "save.sh: no such family: $1" >&2; exit 64 ;;
esac
case $2 in
default) ;;
nft | legacy) program=$program-$2 ;;
*) echo "save.sh: no such variant: $2" >&2; exit 64 ;;
esac

netns=$3
set -- ${4:+-t "$4"}
if [ "$netns" != - ]; then
	exec nsenter --net="$netns" "$program-save" "$@"
fi
exec "$program-save" "$@"
