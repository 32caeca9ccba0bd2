#!/bin/sh
# Entry point of the stand-in for `prometheus`: Debian has version 2, which knows one option of version 3 by another name.
set -eu
for word; do
  shift
  [ "$word" != --web.enable-otlp-receiver ] || word=--enable-feature=otlp-write-receiver
  set -- "$@" "$word"
done
exec /usr/bin/prometheus "$@"
