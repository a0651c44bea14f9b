#!/bin/sh
# Writes the rules of all tables, or of one.
#
# usage: save.sh iptables|ip6tables[-nft|-legacy] NETNS|- [TABLE]
set -eu

program=$1 netns=$2
set -- ${3:+-t "$3"}
if [ "$netns" != - ]; then
	exec nsenter --net="$netns" "$program-save" "$@"
fi
exec "$program-save" "$@"
