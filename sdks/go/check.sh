#!/bin/sh
# Checks both modules: formatting, vet, staticcheck and tests with the race detector. Needs the Go module proxy and gcc.
set -eu
cd "$(dirname "$0")"
for module in . gin; do (
  cd "$module"
  unformatted=$(gofmt -l .)
  [ -z "$unformatted" ] || { echo "run gofmt -w on: $unformatted" >&2; exit 1; }
  go vet ./...
  go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
  go test -race ./...
); done
