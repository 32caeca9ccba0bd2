#!/usr/bin/env bash
# Signs a user up and in, works with tasks, refreshes and revokes the token: with curl 7.82 or newer, and node to read JSON.
# Needs the URLs of both services: eval "$(npx sallyport demo env)"
set -euo pipefail
: "${API:?URL of the API}" "${TASKS:?URL of the tasks API}"
field() { node -pe "JSON.parse(require('fs').readFileSync(0, 'utf8'))$1"; }
call() { curl -sS --fail-with-body "$@"; }

credentials="{\"email\":\"curl-$$-$RANDOM@example.test\",\"password\":\"four words and $RANDOM$RANDOM\"}"
call "$API/api/auth/signup" --json "$credentials" >/dev/null
signed_in=$(call "$API/api/auth/signin" --json "$credentials")
user=$(field .user.id <<<"$signed_in")
access=$(field .tokens.access_token <<<"$signed_in")
refresh=$(field .tokens.refresh_token <<<"$signed_in")

own="$TASKS/api/$user/tasks"
task=$(call "$own" -H "authorization: Bearer $access" --json '{"title":"call by curl"}' | field .id)
call -X PUT "$own/$task" -H "authorization: Bearer $access" --json '{"completed":true}' | field .completed
call "$own" -H "authorization: Bearer $access" | field '[0].title'
call -X DELETE "$own/$task" -H "authorization: Bearer $access"

pair=$(call "$API/v1/tokens/refresh" --json "{\"refresh_token\":\"$refresh\"}")
access=$(field .access_token <<<"$pair")
call "$own" -H "authorization: Bearer $access" | field .length

call "$API/v1/tokens/revoke" -H "authorization: Bearer $access" --json "{\"token\":\"$access\",\"reason\":\"done\"}" >/dev/null
sleep 2
curl -sS "$own" -H "authorization: Bearer $access" | field .code
