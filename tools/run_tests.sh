#!/usr/bin/env bash
# All tests, in several processes beside each other, and at the end what each of them found. The argument is the Python to use.
# Tests that wait for nodes, browsers and networks come first: they leave the processor to others while they wait. The others take
# what is left, at a lower priority, so that they neither hold those up nor leave a core idle. Branch coverage is measured by the
# tests of the layers that hold money, and few more: tracing takes four tenths longer, and the others hardly show more about them.
# CometBFT is built first, where that is possible; without it, tests of the cluster are skipped, but not on a build server. The
# style tests are not among them: `make test` has run them with `make check`.
set -euo pipefail
python=$1
networks=(tests/cluster)
live_first=(tests/live/test_[!f-z]*.py) # two halves by their time
live_rest=(tests/live/test_[f-z]*.py)
measured=(tests/kernel tests/modules tests/storage)
measured+=(tests/node/test_rollback.py tests/node/api/test_{events,joined}.py) # of storage, what begins at a snapshot
apart=(tests/fuzz tests/independent tests/torture tests/torture_channels)
checked=(tests/style)
mkdir -p build

# Hundreds of processes are started, and without kept bytecode each of them would compile all that it imports. Some containers
# forbid keeping it, to spare disk space.
unset PYTHONDONTWRITEBYTECODE
"$python" -m compileall -q -j 0 src

export TRACO_ENGINE_DIR=${TRACO_ENGINE_DIR:-$PWD/build/engine}
if ! "$python" -m traco.cli engine install; then
  [ -z "${CI:-}" ] || exit 1
  echo "Tests of the cluster will be skipped."
fi

names=()
started=()
stop() { # an interrupted run leaves nothing behind: pytest, when interrupted, ends the nodes and browsers of its tests
  trap - EXIT
  trap '' INT TERM
  kill -INT "${started[@]}" 2>/dev/null || true
  for _ in {1..60}; do
    kill -0 "${started[@]}" 2>/dev/null || break
    sleep 1
  done
  for group in "${started[@]}"; do kill -- "-$group" 2>/dev/null || true; done
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

begin() { # name priority, then what pytest is given; what it says is in build/test-NAME.log
  names+=("$1")
  nice -n "$2" "$python" -m pytest -q -p no:cacheprovider "${@:3}" >"build/test-$1.log" 2>&1 &
  started+=($!)
}

set -m # else the shell has what runs beside it ignore Ctrl-C, and tests of Ctrl-C fail
elsewhere=("${measured[@]}" "${apart[@]}" tests/live "${networks[@]}" "${checked[@]}")
begin others 3 "${elsewhere[@]/#/--ignore=}"
begin ledger 3 --cov --cov-report= "${measured[@]}"
begin apart 3 "${apart[@]}"
begin live-first 0 "${live_first[@]}"
begin live-rest 0 "${live_rest[@]}"
begin networks 0 "${networks[@]}"
set +m

tail -n +1 -F --pid="${started[0]}" build/test-others.log & # its dots show that something goes on
wait $! || true
failed=()
for index in "${!names[@]}"; do
  name=${names[index]}
  wait "${started[index]}" || failed+=("$name")
  echo "$name: $(tail -n 1 "build/test-$name.log")"
done
trap - EXIT INT TERM
for name in "${names[@]}"; do
  { grep '^SKIPPED' "build/test-$name.log" || true; } | sed "s/^/$name: /"
done
if [ ${#failed[@]} -ne 0 ]; then
  for name in "${failed[@]}"; do
    echo "==== $name"
    cat "build/test-$name.log"
  done
  echo "Failed: ${failed[*]}"
  exit 1
fi
"$python" -m coverage json --quiet -o build/coverage.json
"$python" tools/coverage_gate.py build/coverage.json
