#!/bin/sh
# Entry point of the stand-in for `nginx-unprivileged`. Docker resolves names at 127.0.0.11, podman at the network's gateway.
set -eu
resolver=$(sed -n 's/^nameserver //p' /etc/resolv.conf | head -n 1)
if [ "$resolver" != 127.0.0.11 ] && [ -d /etc/sallyport ]; then
  mkdir -p /tmp/sallyport
  cp /etc/sallyport/*.conf /tmp/sallyport/
  sed -i "s/127\.0\.0\.11/$resolver/" /tmp/sallyport/*.conf
  for word; do
    shift
    case $word in /etc/sallyport/*) word=/tmp/sallyport/${word#/etc/sallyport/} ;; esac
    set -- "$@" "$word"
  done
fi
exec "$@"
