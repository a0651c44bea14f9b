#!/bin/sh
# Reads rules as iptables-save writes them and applies them: each table in one transaction, and nothing but the chains
# that the input names. Waits for others who hold the xtables lock.
#
# usage: restore.sh iptables|ip6tables[-nft|-legacy] [NETNS] < rules
set -eu

if [ -n "${2:-}" ]; then
	exec nsenter --net="$2" "$1-restore" --noflush --wait 10
fi
exec "$1-restore" --noflush --wait 10
