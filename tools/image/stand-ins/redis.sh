#!/bin/sh
# Entry point of the stand-in for `redis`: that of the image opens the server to its network too.
set -eu
[ "$1" != redis-server ] || set -- "$@" --protected-mode no
exec "$@"
