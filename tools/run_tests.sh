#!/usr/bin/env bash
# All tests, in three processes beside each other: those that mostly wait for nodes, browsers and fuzzers of their own, those that
# wait for networks of nodes, and the others, with branch coverage. Says at the end what all of them found. The argument is the Python to use. CometBFT is built first,
# where that is possible; without it, tests of the cluster are skipped, but not on a build server.
set -euo pipefail
python=$1
apart=(tests/live tests/fuzz tests/independent tests/torture)
networks=(tests/cluster)
mkdir -p build

export TRACO_ENGINE_DIR=${TRACO_ENGINE_DIR:-$PWD/build/engine}
if ! "$python" -m traco.cli engine install; then
  [ -z "${CI:-}" ] || exit 1
  echo "Tests of the cluster will be skipped."
fi

set -m # else the shell has what runs beside it ignore Ctrl-C, and tests of Ctrl-C fail
"$python" -m pytest -q -p no:cacheprovider "${apart[@]}" >build/test-apart.log 2>&1 &
beside=$!
"$python" -m pytest -q -p no:cacheprovider "${networks[@]}" >build/test-cluster.log 2>&1 &
clustered=$!
set +m
trap 'kill -- "-$beside" "-$clustered" 2>/dev/null || true' EXIT

failed=0
"$python" -m pytest --cov --cov-report= "${apart[@]/#/--ignore=}" "${networks[@]/#/--ignore=}" | tee build/test.log || failed=1
echo "Waiting for ${apart[*]} ${networks[*]} ..."
wait "$beside" || failed=1
wait "$clustered" || failed=1
trap - EXIT
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
