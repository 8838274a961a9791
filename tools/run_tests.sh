#!/usr/bin/env bash
# All tests, in three processes beside each other: those that mostly wait for nodes, browsers and fuzzers of their own, those that
# wait for networks of nodes, and the others, with branch coverage. Says at the end what all of them found. The argument is the
# Python to use. CometBFT is built first, where that is possible; without it, tests of the cluster are skipped, but not on a build
# server. The style tests are not among them: `make test` has run them with `make check`.
set -euo pipefail
python=$1
apart=(tests/live tests/fuzz tests/independent tests/torture)
networks=(tests/cluster tests/torture_channels)
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

set -m # else the shell has what runs beside it ignore Ctrl-C, and tests of Ctrl-C fail
"$python" -m pytest -q -p no:cacheprovider "${apart[@]}" >build/test-apart.log 2>&1 &
started+=($!)
"$python" -m pytest -q -p no:cacheprovider "${networks[@]}" >build/test-cluster.log 2>&1 &
started+=($!)
others=("${apart[@]}" "${networks[@]}" "${checked[@]}")
"$python" -m pytest --cov --cov-report= "${others[@]/#/--ignore=}" > >(tee build/test.log) &
started+=($!)
set +m

failed=0
wait "${started[2]}" || failed=1
echo "Waiting for ${apart[*]} ${networks[*]} ..."
wait "${started[0]}" || failed=1
wait "${started[1]}" || failed=1
trap - EXIT INT TERM
if [ "$failed" -ne 0 ]; then
  cat build/test-apart.log build/test-cluster.log
  tail -n 1 build/test.log
  exit 1
fi
tail -n 12 build/test-apart.log
tail -n 5 build/test-cluster.log
"$python" -m coverage json --quiet -o build/coverage.json
"$python" tools/coverage_gate.py build/coverage.json
tail -n 1 build/test.log
tail -n 1 build/test-apart.log
tail -n 1 build/test-cluster.log
